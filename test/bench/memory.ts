import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Figure, Row } from "./figure.ts";
import { converge, type Installation, install, onStage, type Stage } from "./stage.ts";

/** V8 gives memory back when it has been idle for some seconds. */
const settlingMs = 20_000;

/** What agents hold in memory when they have settled, by the kernel's account. */
export const memory: Row = { name: "memory", run: () => onStage(2, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const idle = await install(stage, { host: "h1", peers: 2, containersEach: 1 });
  const world = await install(stage, { host: "h2", peers: 1_000, containersEach: 100 });
  await converge(idle);
  await converge(world);
  await pause(settlingMs);
  return [
    await figure(idle, "RSS of an idle agent, one network, three hosts", 110),
    await figure(world, "RSS with 1,000 hosts and 100,000 containers", 280),
  ];
}

async function figure({ agent }: Installation, what: string, reach: number): Promise<Figure> {
  const status = await readFile(`/proc/${agent.pid()}/status`, "utf8");
  const megabytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  const value = megabytes("VmRSS");
  const note = `of which ${megabytes("RssFile").toFixed(0)} MB are files (Node itself), shared with other Node processes; peak ${megabytes("VmHWM").toFixed(0)} MB`;
  return { what, value, unit: "MB", reach: `<= ${reach} MB`, holds: value <= reach, note };
}
