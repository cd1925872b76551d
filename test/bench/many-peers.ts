import { joinWrites, peerRows, type Subject } from "./change.ts";
import { type Figure, msBetween, type Row, rounded, spread } from "./figure.ts";
import { layFloor } from "./floor/floor.ts";
import { converge, install, namespacesOf, onStage, type Stage } from "./stage.ts";
import { peerAt, transact } from "./world.ts";

const rounds = 3;
const from = 2_000;

/**
 * 1,000 hosts that join at once, in ten transactions of 300 writes (three records each), until the last of 4,000 rows is
 * in the kernel. etcd takes 128 writes a transaction unless told otherwise; the bench's is told 1,024.
 */
export const manyPeers: Row = { name: "many-peers", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const { lab, etcd, witness } = stage;
  const installation = await install(stage, { host: "h1", peers: 10, containersEach: 100 });
  await converge(installation);
  const floorHost = lab.host("h2");
  const count = from + 1_000 * rounds;
  const floor = await layFloor({ host: floorHost, etcd: etcd.endpoint, prefix: "/floor/", count });
  await witness.open("h1", namespacesOf(installation.host).own);
  await witness.open("h1-blue", namespacesOf(installation.host).inside);
  await witness.open("h2", namespacesOf(floorHost).own);
  await witness.open("h2-blue", floor.namespace);
  const agent: Subject = { client: installation.client, own: "h1", inside: "h1-blue" };
  const bottom: Subject = { client: etcd.client("/floor/"), own: "h2", inside: "h2-blue" };
  const [ours, least]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(await join(stage, agent, from + 1_000 * round));
    least.push(await join(stage, bottom, from + 1_000 * round));
  }
  floor.end();
  const [figure, ground] = [spread(ours), spread(least)];
  return [
    {
      what: "1,000 new hosts in 10 transactions, until all 4,000 rows are in the kernel",
      value: figure.p50,
      unit: "ms",
      floor: ground.p50,
      reach: "<= 250 ms",
      holds: figure.p50 <= 250,
      note: `median of ${ours.map(rounded).join(", ")} ms, one world growing; 3 records a host, so --max-txn-ops is raised`,
    },
  ];
}

async function join({ witness }: Stage, subject: Subject, first: number): Promise<number> {
  const peers = Array.from({ length: 1_000 }, (_, n) => peerAt(first + n));
  const heard = witness.heard(peers.flatMap((peer) => peerRows(subject, peer)));
  const batches = Array.from({ length: 10 }, (_, n) => peers.slice(100 * n, 100 * (n + 1)).flatMap(joinWrites));
  const begun = process.hrtime.bigint();
  for (const batch of batches) await transact(subject.client, batch);
  return msBetween(begun, await heard);
}
