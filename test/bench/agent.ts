import { readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { daemonIn } from "../../src/lab/daemon.ts";
import type { HostPlace } from "../../src/lab/host.ts";
import { answer, appears } from "../../src/lab/socket.ts";
import type { PlanAnswer, StatusAnswer } from "../../src/observe/answers.ts";
import type { EventLine } from "../../src/observe/event-schema.ts";

/** What users run: the built program, with the flags for Node that its first line names. */
export const program = join(import.meta.dirname, "../../dist/bin.js");

/** An agent under measurement. */
export interface BenchAgent {
  pid(): number;
  /** Resolves when the process exists. */
  start(): Promise<void>;
  /** Resolves when its socket is there: Node has started, and its modules are loaded. */
  loaded(): Promise<void>;
  /** Resolves when it says that it is ready: everything declared is applied. */
  ready(): Promise<void>;
  /** Whether its host takes part in the network. */
  isMember(network: string): Promise<boolean>;
  /** Whether it has nothing to do, and nothing under way: that counts as done in a plan. */
  isAtRest(): Promise<boolean>;
  /** The last 2,000 events of its run. */
  events(): Promise<EventLine[]>;
  kill(): Promise<void>;
  log(): Promise<string>;
}

export interface AgentPlace {
  host: HostPlace;
  etcd: string;
  prefix: string;
  /** For its socket, state and log. */
  directory: string;
}

export function agentOn({ host, etcd, prefix, directory }: AgentPlace): BenchAgent {
  const name = `${host.name}${prefix.replaceAll("/", "-")}`;
  const socket = join(directory, `${name}.sock`);
  const log = join(directory, `${name}.log`);
  const flags = ["--host", host.name, "--etcd", etcd, "--prefix", prefix, "--underlay", "eth0"];
  const files = ["--state", join(directory, name), "--socket", socket];
  const daemon = daemonIn(host, {
    title: `the agent of ${name}`,
    command: [program, "agent", ...flags, ...files],
    log,
  });
  return {
    pid: () => daemon.pid() ?? 0,
    async start() {
      await rm(socket, { force: true }); // left by kill
      await daemon.start();
    },
    loaded: () => daemon.whileRunning((signal) => appears(socket, signal)),
    ready: () =>
      daemon.whileRunning(async (signal) => {
        // While it is starting it refuses at once, and has better things to do than that.
        while ((await answer(socket, "/v1/ready?timeout=60", signal)) !== 200) await pause(5);
      }),
    async isMember(wanted) {
      const { networks } = JSON.parse(await ask(socket, "/v1/status")) as StatusAnswer;
      return networks.some(({ network, member }) => network === wanted && member !== undefined);
    },
    async isAtRest() {
      const { operations } = JSON.parse(await ask(socket, "/v1/plan")) as PlanAnswer;
      const last = (await events(socket)).findLast(({ type }) => type === "converged" || wrote.has(type));
      return operations.length === 0 && last?.type === "converged";
    },
    events: () => events(socket),
    kill: () => daemon.end("SIGKILL"),
    log: () => readFile(log, "utf8"),
  };
}

/** Events that tell of a write. */
export const wrote: ReadonlySet<string> = new Set(["added", "replaced", "removed", "repaired", "failed"]);

async function events(socket: string): Promise<EventLine[]> {
  const lines = await ask(socket, "/v1/events?recent=2000&follow=false");
  return lines
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function ask(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, async (response) => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      resolve(text);
    });
    asked.on("error", reject);
    asked.end();
  });
}
