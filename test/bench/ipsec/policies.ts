import type { Write } from "../../../src/store/transaction.ts";
import { againstFloor, type Change, type Subject } from "../change.ts";
import { type Figure, msBetween, type Row, rounded, spread } from "../figure.ts";
import { startProgram } from "../floor/floor.ts";
import { namespacesOf, onStage, type Stage } from "../stage.ts";
import { keyedHostWrite, memberWrites, type Peer, peerAt, sealedNetworkWrite, transact, write } from "../world.ts";
import { policiesGone, policyRows } from "./peer-policies.ts";

const hosts = 1_000;
const rounds = 5;
const batch = 100;
const samples = 200;
const warmUp = 30;
const last = hosts + warmUp + samples;

/**
 * 1,000 hosts that join an encrypted network at once, in ten transactions of 300 writes, until the last of their 2,000
 * policies is in the kernel; then one host more. On any kernel with XFRM: see part-agent.ts.
 */
export const tunnelPolicies: Row = { name: "tunnel-policies", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const agent = await settle(stage, "h1", "ipsec/part-agent.ts", "h1");
  const floor = await settle(stage, "h2", "ipsec/policy-floor.ts", `${last}`);
  const all = Array.from({ length: hosts }, (_, n) => peerAt(n));
  const [ours, least]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [subject, times] of [
      [agent, ours],
      [floor, least],
    ] as const) {
      if (round > 0) await change(stage, subject, all.flatMap(leaveWrites), policiesGone, all);
      times.push(await change(stage, subject, all.flatMap(joinWrites), policyRows, all));
    }
  }
  return [joined(ours, least), await oneMore(stage, agent, floor)];
}

/** Puts the network and the host's own records into an installation of its own, and starts who follows it there. */
async function settle({ lab, etcd, witness }: Stage, name: string, script: string, about: string): Promise<Subject> {
  const host = lab.host(name);
  const prefix = `/${name}/`;
  const client = etcd.client(prefix);
  const own: Peer = { ...peerAt(last), name, underlay: host.underlay.address() };
  await write(client, [sealedNetworkWrite(), ...joinWrites(own)]);
  await startProgram(host, script, [etcd.endpoint, prefix, own.underlay, about]);
  await witness.open(name, namespacesOf(host).own);
  return { client, own: name, inside: name };
}

/** Milliseconds from the first transaction until the witness heard of all of them. */
async function change(
  { witness }: Stage,
  subject: Subject,
  writes: readonly Write[],
  rowsOf: (where: string, peer: Peer) => string[],
  peers: readonly Peer[],
): Promise<number> {
  const heard = witness.heard(peers.flatMap((peer) => rowsOf(subject.own, peer)));
  const each = (batch * writes.length) / peers.length;
  const begun = process.hrtime.bigint();
  for (let at = 0; at < writes.length; at += each) await transact(subject.client, writes.slice(at, at + each));
  return msBetween(begun, await heard);
}

function joinWrites(peer: Peer): Write[] {
  return [keyedHostWrite(peer), ...memberWrites(peer).toReversed()];
}

function leaveWrites(peer: Peer): Write[] {
  return joinWrites(peer).map(({ key }) => ({ type: "remove", key }));
}

function joined(ours: readonly number[], least: readonly number[]): Figure {
  const [figure, floor] = [spread(ours).p50, spread(least).p50];
  return {
    what: "1,000 hosts join an encrypted network in 10 transactions, until all 2,000 policies are in the kernel",
    value: figure,
    unit: "ms",
    floor,
    reach: "<= 250 ms",
    holds: figure <= 250,
    note: `median of ${ours.map(rounded).join(", ")} ms, floor's ${least.map(rounded).join(", ")} ms, in turn`,
  };
}

const join: Change = {
  name: "join",
  make: (client, n) => transact(client, joinWrites(peerAt(n))),
  rows: ({ own }, n) => policyRows(own, peerAt(n)),
};

function oneMore({ witness }: Stage, agent: Subject, floor: Subject): Promise<Figure> {
  const what = "one host more in an encrypted network of 1,000: put until its policies are in the kernel, p50";
  return againstFloor(witness, [agent, floor], join, { from: hosts, warmUp, samples }, what);
}
