import { createLab, type Lab } from "../../../src/lab/lab.ts";
import { type Kind, layByHand } from "./by-hand.ts";
import { converged, type End, enter, openEnd } from "./ends.ts";
import { leave } from "./leave.ts";
import { openPath, type Path, stream } from "./stream.ts";
import type { Throughput } from "./throughput.ts";

/** Three networks by two agents, and the same three by hand, on the same two hosts. */
const networks: Record<Kind, object> = {
  clear: { cidr: "10.41.0.0/16", backend: { type: "vxlan", vni: 41, port: 4790 } },
  sealed: { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 42 }, encryption: "ipsec" },
  tunnel: { cidr: "10.43.0.0/16", backend: { type: "ipsec" } },
};
const kinds = Object.keys(networks) as Kind[];
/** Long enough for TCP to find its pace, and several: what else the machine does falls on both of a pair, or is outvoted. */
const pairs = 11;
const seconds = 3;

const lab = await createLab({ hosts: 2 });
try {
  await leave(await measure(lab));
} finally {
  await lab.close();
}

async function measure(lab: Lab): Promise<Throughput> {
  const ends = [await openEnd(lab, "h1", "/skein/v1"), await openEnd(lab, "h2", "/skein/v1")] as const;
  const paths = new Map<Kind, { skein: Path; hand: Path; carried(): Promise<number> }>();
  for (const kind of kinds) paths.set(kind, await lay(ends, kind));
  // From here on the kernel is alone: whatever an agent did would take its time from the stream of that moment.
  for (const { agent, charon } of ends) {
    await agent.kill();
    await charon.pause();
  }
  for (const end of ends) end.close();
  const found: Throughput = { clear: [], sealed: [], tunnel: [] };
  for (let pair = 0; pair < pairs; pair++)
    for (const [kind, { skein, hand, carried }] of paths) {
      const before = await carried();
      const streams = { skein: () => stream(skein, seconds), hand: () => stream(hand, seconds) };
      // Who goes first has the machine as what was before has left it.
      const order = pair % 2 === 0 ? (["skein", "hand"] as const) : (["hand", "skein"] as const);
      const rates = { skein: 0, hand: 0 };
      for (const one of order) rates[one] = await streams[one]();
      found[kind].push(rates);
      if (kind !== "clear" && (await carried()) - before < (rates.hand * seconds * 1e6) / 8)
        throw new Error(`Cannot trust ${kind} by hand: expected its SAs to carry the stream, got less through them`);
    }
  return found;
}

async function lay(ends: readonly [End, End], kind: Kind) {
  const [a, b] = ends;
  const address = (n: number) => `10.${41 + kinds.indexOf(kind)}.${n}.9`;
  await a.client.put(`networks/${kind}`, JSON.stringify(networks[kind]));
  for (const [at, end] of ends.entries()) await enter(end, kind, kind, { ip: address(at + 1) });
  for (const end of ends) await converged(end, kind);
  const skein: Path = { from: a.host.in(kind), to: b.host.in(kind), address: address(2) };
  await openPath(skein);
  const [link] = JSON.parse(await skein.from.output("ip", ["-json", "link", "show", "dev", "eth0"]));
  const byHand = await layByHand([a.host, b.host], kind, link.mtu);
  const hand: Path = { from: byHand.places[0], to: byHand.places[1], address: byHand.address };
  await openPath(hand);
  return { skein, hand, carried: byHand.carried };
}
