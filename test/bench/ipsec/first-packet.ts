import { type Figure, type Row, rounded, spread } from "../figure.ts";
import { onEsp } from "./on-esp.ts";

/** Milliseconds, one of each a round. */
export interface FirstPackets {
  /** From the transaction that declares two hosts to each other, until the first ping is answered. */
  declared: number[];
  /** `swanctl --initiate` between the same two, and of that charon's part. */
  swanctl: number[];
  vici: number[];
  /** What the agent itself tells: from the wish for a tunnel until it is up. */
  tunnelUp: number[];
  /** Attempts that were told to have failed. */
  retries: number;
}

/** Two hosts that learn of each other, until a ping gets through and back; against a bare `swanctl --initiate`, in turn. */
export const tunnelFirstPacket: Row = { name: "tunnel-first-packet", run: measure };

async function measure(): Promise<Figure[]> {
  const { measured, where } = await onEsp<FirstPackets>("first-packet-program.ts");
  const { declared, swanctl, vici, tunnelUp, retries } = measured;
  const [ours, bare, charon, up] = [declared, swanctl, vici, tunnelUp].map((samples) => spread(samples).p50);
  const [figure, floor] = [ours ?? Number.NaN, bare ?? Number.NaN];
  return [
    {
      what: "a peer is declared, until the first ping through the tunnel is answered, p50; floor: swanctl --initiate",
      value: figure,
      unit: "ms",
      floor,
      reach: "<= 3 x floor",
      holds: figure <= 3 * floor,
      note: [
        `${where}; ${declared.map(rounded).join(", ")} ms`,
        `floor's ${swanctl.map(rounded).join(", ")} ms, of which charon ${rounded(charon ?? Number.NaN)} (p50)`,
        `the agent says up after ${rounded(up ?? Number.NaN)} ms; ${retries} retries`,
      ].join("; "),
    },
  ];
}
