import { type Figure, type Row, rounded, spread } from "../figure.ts";
import type { Kind } from "./by-hand.ts";
import { onEsp } from "./on-esp.ts";

/** Mbit/s of one TCP stream each, in turn. */
export type Throughput = Record<Kind, { skein: number; hand: number }[]>;

const titles: Record<Kind, string> = {
  clear: "VXLAN in clear",
  sealed: "VXLAN in ESP",
  tunnel: "an ESP tunnel",
};

/** One TCP stream between containers of two hosts, beside the same devices and SAs made with `ip`: same cipher, encapsulation, MTU. */
export const tunnelThroughput: Row = { name: "tunnel-throughput", run: measure };

async function measure(): Promise<Figure[]> {
  const { measured, where } = await onEsp<Throughput>("throughput-program.ts", { counted: true });
  const clear = spread(measured.clear.map(({ skein }) => skein)).p50;
  return (Object.keys(titles) as Kind[]).map((kind) => {
    const pairs = measured[kind];
    const ratios = pairs.map(({ skein, hand }) => skein / hand);
    const [ratio, rate] = [spread(ratios).p50, spread(pairs.map(({ skein }) => skein)).p50];
    const byHand = spread(pairs.map(({ hand }) => hand)).p50;
    return {
      what: `one TCP stream through ${titles[kind]}, as a share of the same by hand`,
      value: ratio,
      unit: "x",
      reach: ">= 0.97 x by hand",
      holds: ratio >= 0.97,
      note: [
        `${where}; ${rounded(rate)} Mbit/s, by hand ${rounded(byHand)}`,
        `median of ${ratios.map(rounded).join(", ")}`,
        ...(kind === "clear" ? [] : [`${rounded(rate / clear)} x VXLAN in clear`]),
      ].join("; "),
    };
  });
}
