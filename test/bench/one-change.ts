import { againstFloor, container, peer, type Subject } from "./change.ts";
import type { Figure, Row } from "./figure.ts";
import { layFloor } from "./floor/floor.ts";
import { converge, install, namespacesOf, onStage, type Stage } from "./stage.ts";

const samples = 250;
const warmUp = 30;
/** Instances of a change are numbered past the hosts that the world has already. */
const from = 2_000;

/** One put, until its last row is in the kernel: an agent and the floor in turn, in a world of 10 hosts and 1,000 containers. */
export const oneChange: Row = { name: "one-change", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const { lab, etcd, witness } = stage;
  const installation = await install(stage, { host: "h1", peers: 10, containersEach: 100 });
  await converge(installation);
  const floorHost = lab.host("h2");
  const last = from + 2 * (warmUp + samples);
  const floor = await layFloor({ host: floorHost, etcd: etcd.endpoint, prefix: "/floor/", count: last });
  await witness.open("h1", namespacesOf(installation.host).own);
  await witness.open("h1-blue", namespacesOf(installation.host).inside);
  await witness.open("h2", namespacesOf(floorHost).own);
  await witness.open("h2-blue", floor.namespace);
  const agent: Subject = { client: installation.client, own: "h1", inside: "h1-blue" };
  const bottom: Subject = { client: etcd.client("/floor/"), own: "h2", inside: "h2-blue" };
  const figures: Figure[] = [];
  for (const change of [container, peer]) {
    const what = `one change, ${change.name}: put until the last row is in the kernel, p50`;
    figures.push(await againstFloor(witness, [agent, bottom], change, { from, warmUp, samples }, what));
  }
  floor.end();
  return figures;
}
