import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "../../src/store/client.ts";
import { type Figure, msBetween, rounded, spread } from "./figure.ts";
import type { Witness } from "./witness/witness.ts";
import { containerWrite, hostWrite, memberWrites, type Peer, peerAt, strayAt, transact } from "./world.ts";

/** One who answers to changes in etcd with rows: an agent, or the floor. */
export interface Subject {
  client: Client;
  /** The names its namespaces have with the witness: the host's own and the network's. */
  own: string;
  inside: string;
}

/** One sort of change, in the n-th instance. */
export interface Change {
  name: string;
  make(client: Client, n: number): Promise<void>;
  /** What the witness will hear. */
  rows(subject: Subject, n: number): string[];
}

/** A container that lives outside its host's blocks: one route. The host is the first of the world. */
export const container: Change = {
  name: "a container elsewhere: 1 route",
  make: (client, n) => transact(client, [containerWrite("p0", `c${n}`, strayAt(n))]),
  rows: ({ inside }, n) => [`${inside} + route ${strayAt(n)}/32`],
};

/** A host that joins: its three records in one transaction, and four rows. */
export const peer: Change = {
  name: "a new host: guard element, neighbour, FDB, route",
  make: (client, n) => transact(client, joinWrites(peerAt(n))),
  rows: (subject, n) => peerRows(subject, peerAt(n)),
};

export function joinWrites(peer: Peer) {
  return [hostWrite(peer), ...memberWrites(peer).toReversed()];
}

export function peerRows({ own, inside }: Pick<Subject, "own" | "inside">, peer: Peer): string[] {
  return [
    `${own} + element ${peer.underlay}`,
    `${inside} + neighbour ${peer.address}`,
    `${inside} + fdb ${peer.mac}`,
    `${inside} + route ${peer.block}`,
  ];
}

/** Between two changes everything is idle again, as it is in life. */
const spacingMs = 12;

/**
 * Makes the change `count` times on each subject, all of them in turn, so that what the machine does besides falls on all
 * alike. Answers milliseconds from the call of put to the last row in the kernel, by subject. `from` is the first instance.
 */
export async function inTurn(
  witness: Witness,
  subjects: readonly Subject[],
  change: Change,
  from: number,
  count: number,
): Promise<number[][]> {
  const samples: number[][] = subjects.map(() => []);
  for (let n = from; n < from + count; n++) {
    for (const [at, subject] of subjects.entries()) {
      await pause(spacingMs);
      const heard = witness.heard(change.rows(subject, n));
      const begun = process.hrtime.bigint();
      await change.make(subject.client, n);
      samples[at]?.push(msBetween(begun, await heard));
    }
  }
  return samples;
}

/** Instances of a change that are made: the first meet code that has never run; an agent has seen some by the time it matters. */
export interface Instances {
  from: number;
  warmUp: number;
  samples: number;
}

/** An agent against the floor, in turn: what one change takes it, and the same that is asked of each. */
export async function againstFloor(
  witness: Witness,
  [agent, floor]: readonly [Subject, Subject],
  change: Change,
  { from, warmUp, samples }: Instances,
  what: string,
): Promise<Figure> {
  await inTurn(witness, [agent, floor], change, from, warmUp);
  const [ours = [], least = []] = await inTurn(witness, [agent, floor], change, from + warmUp, samples);
  const [figure, bottom] = [spread(ours), spread(least)];
  return {
    what,
    value: figure.p50,
    unit: "ms",
    floor: bottom.p50,
    reach: "<= 2.0 ms and <= 1.5 x floor",
    holds: figure.p50 <= 2 && figure.p50 <= 1.5 * bottom.p50,
    note: `p99 ${rounded(figure.p99)} ms, floor's p99 ${rounded(bottom.p99)} ms, ${figure.count} puts each, in turn`,
  };
}
