import { type Figure, type Row, rounded, spread } from "./figure.ts";
import { converge, type Installation, install, onStage, type Stage } from "./stage.ts";
import { net } from "./world.ts";

const rounds = 3;

/**
 * A host that comes up: everything is in etcd, its own membership too, and nothing in the kernel. From the spawn of the
 * process until the agent says that it is ready; then the kernel is counted.
 */
export const start: Row = { name: "start", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const peers = await install(stage, { host: "h1", peers: 1_000, containersEach: 0 });
  const world = await install(stage, { host: "h2", peers: 1_000, containersEach: 100 });
  return [
    await figure(peers, "start with 1,000 hosts in etcd until converged, from spawn", 750),
    await figure(world, "start with 1,000 hosts and 100,000 containers in etcd until converged, from spawn", 3_000),
  ];
}

async function figure(installation: Installation, what: string, reach: number): Promise<Figure> {
  const { agent } = installation;
  await converge(installation);
  const samples: number[] = [];
  const loads: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await agent.kill();
    await reboot(installation);
    const begun = performance.now();
    await agent.start();
    await agent.loaded();
    loads.push(performance.now() - begun);
    await agent.ready();
    samples.push(performance.now() - begun);
    await verify(installation);
  }
  const { p50 } = spread(samples);
  return {
    what,
    value: p50,
    unit: "ms",
    reach: `<= ${reach} ms`,
    holds: p50 <= reach,
    note: `median of ${samples.map(rounded).join(", ")} ms, of which Node and its modules ${rounded(spread(loads).p50)}`,
  };
}

/** Leaves of the kernel's state what a reboot does. */
async function reboot({ host }: Installation): Promise<void> {
  await host.output("nft", ["flush", "ruleset"]);
  await host.output("ip", ["link", "del", `sku-${net}`]);
  await host.output("ip", ["netns", "del", `skein-${net}`]);
}

/** The agent said that it is ready; the kernel must hold every host's rows. */
async function verify({ host }: Installation): Promise<void> {
  const inside = host.in(`skein-${net}`);
  const counts = {
    routes: JSON.parse(await inside.output("ip", ["-json", "route", "show", "dev", "vx0"])).length,
    neighbours: JSON.parse(await inside.output("ip", ["-json", "neigh", "show", "dev", "vx0", "nud", "permanent"]))
      .length,
    fdb: (await inside.output("bridge", ["fdb", "show", "dev", "vx0"])).split(" dst ").length - 1,
    elements:
      (await host.output("nft", ["list", "set", "inet", "skein", `vxlan-peers-${net}`])).split("10.100.").length - 1,
  };
  for (const [what, count] of Object.entries(counts))
    if (count !== 1_000) throw new Error(`Cannot trust the start: expected 1000 ${what}, got ${count}`);
}
