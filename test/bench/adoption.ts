import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Place } from "../../src/lab/place.ts";
import { wrote } from "./agent.ts";
import type { Figure, Row } from "./figure.ts";
import { converge, install, onStage, type Stage } from "./stage.ts";
import { net } from "./world.ts";

/** The kernel tells of what a link came to up to a second late, whoever runs then. */
const settlingMs = 1_500;
/** How long after its start an agent that adopted everything is watched for second thoughts. */
const watchMs = 3_000;

/** An agent that is killed and started again: `ip monitor` and `nft monitor` count what changes in the kernel. */
export const adoption: Row = { name: "adoption", run: () => onStage(1, measure) };

async function measure(stage: Stage): Promise<Figure[]> {
  const installation = await install(stage, { host: "h1", peers: 1_000, containersEach: 1, attached: 5 });
  const { host, agent } = installation;
  await converge(installation);
  await agent.kill();
  await pause(settlingMs);
  const inside = host.in(`skein-${net}`);
  const monitors = [host, inside].flatMap((place) => [
    monitor(place, "ip", ["monitor", "link", "address", "route", "neigh", "netconf"]),
    monitor(place, "nft", ["monitor"]),
  ]);
  // Both tools listen within milliseconds of their start, and say nothing when they do.
  await pause(500);
  await agent.start();
  await agent.ready();
  await pause(watchMs);
  const lines = (await Promise.all(monitors.map((end) => end()))).flat();
  const told = (await agent.events()).filter(({ type }) => wrote.has(type));
  const count = Math.max(lines.length, told.length);
  return [
    {
      what: "start when all is right already (1,000 hosts, 5 containers attached): writes",
      value: count,
      unit: "writes",
      reach: "0 writes",
      holds: count === 0,
      note: [
        `ip and nft monitor saw ${lines.length} changes, the agent told of ${told.length}`,
        ...lines.slice(0, 5),
      ].join("; "),
    },
  ];
}

/** Calling the answer ends it, with its lines. */
function monitor(place: Place, command: string, args: readonly string[]): () => Promise<string[]> {
  const child = place.spawn(command, args);
  const closed = once(child, "close");
  let text = "";
  child.stdout.on("data", (part) => {
    text += part;
  });
  return async () => {
    child.kill("SIGTERM");
    await closed;
    // Entries of the kernel's own making, such as the ARP entry of etcd, are none of ours.
    return text
      .split("\n")
      .filter((line) => line !== "" && !/ (REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE)/.test(line));
  };
}
