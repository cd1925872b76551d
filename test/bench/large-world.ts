import { type Change, container, inTurn, peer, type Subject } from "./change.ts";
import { type Figure, type Row, rounded, spread } from "./figure.ts";
import { converge, type Installation, install, namespacesOf, onStage, type Stage } from "./stage.ts";

const samples = 200;
const warmUp = 30;
const from = 2_000;

/**
 * The same change in a small world and in a large one: two agents of two installations on one etcd, in turn. What a
 * change costs must not depend on how much else is declared.
 */
export const largeWorld: Row = { name: "large-world", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const small = await settle(stage, await install(stage, { host: "h1", peers: 10, containersEach: 100 }));
  const large = await settle(stage, await install(stage, { host: "h2", peers: 1_000, containersEach: 100 }));
  const figures: Figure[] = [];
  for (const change of [container, peer]) figures.push(await figure(stage, change, small, large));
  return figures;
}

async function settle({ witness }: Stage, installation: Installation): Promise<Subject> {
  const { host, client } = installation;
  await converge(installation);
  await witness.open(host.name, namespacesOf(host).own);
  await witness.open(`${host.name}-inside`, namespacesOf(host).inside);
  return { client, own: host.name, inside: `${host.name}-inside` };
}

async function figure({ witness }: Stage, change: Change, small: Subject, large: Subject): Promise<Figure> {
  await inTurn(witness, [small, large], change, from, warmUp);
  const [few = [], many = []] = await inTurn(witness, [small, large], change, from + warmUp, samples);
  const [least, most] = [spread(few), spread(many)];
  return {
    what: `the same with 100,000 containers on 1,000 hosts, ${change.name}, p50; floor: 1,000 containers on 10 hosts`,
    value: most.p50,
    unit: "ms",
    floor: least.p50,
    reach: "<= 1.3 x small world",
    holds: most.p50 <= 1.3 * least.p50,
    note: `p99 ${rounded(most.p99)} ms, in the small world ${rounded(least.p99)} ms, ${most.count} puts each, in turn`,
  };
}
