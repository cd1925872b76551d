import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { daemonIn } from "./daemon.ts";
import type { HostPlace } from "./host.ts";
import { program } from "./program.ts";
import { answer } from "./socket.ts";

/** An agent on a host of the lab. What it did stays when it ends; `start` again adopts that. */
export interface LabAgent {
  /** Its unix socket: the default one in the host's own /run, by a path that leads there from everywhere. */
  readonly socket: string;
  pid(): number | undefined;
  /** Resolves when its process exists. */
  start(): Promise<void>;
  /** Resolves when it has converged for the first time. @throws LabError DAEMON_ENDED */
  ready(): Promise<void>;
  /** Ends it, without warning unless told otherwise; resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it in good order (SIGTERM). */
  stop(): Promise<void>;
  log(): Promise<string>;
}

export interface AgentPlace {
  host: HostPlace;
  /** etcd's endpoint. */
  etcd: string;
  /** For its state and log. */
  directory: string;
  /** Further arguments of `skein agent`; they come last, so they win. */
  args: readonly string[];
}

export async function agentOn({ host, etcd, directory, args }: AgentPlace): Promise<LabAgent> {
  const runtime = `/proc/${host.pid}/root/run/skein`;
  const socket = join(runtime, "agent.sock");
  const log = join(directory, "agent.log");
  const where = ["--host", host.name, "--etcd", etcd, "--underlay", "eth0"];
  const files = ["--state", join(directory, "state"), "--socket", "/run/skein/agent.sock"];
  await mkdir(directory, { recursive: true });
  await mkdir(runtime, { recursive: true });
  const daemon = daemonIn(host, {
    title: `the agent of ${host.name}`,
    command: [...program("bin"), "agent", ...where, ...files, ...args],
    log,
    socket,
  });
  return {
    socket,
    pid: daemon.pid,
    start: daemon.start,
    ready: () =>
      daemon.whileRunning(async (signal) => {
        // It answers when it is ready, or after the time it was given.
        while ((await answer(socket, "/v1/ready?timeout=60", signal)) !== 200);
      }),
    kill: (signal = "SIGKILL") => daemon.end(signal),
    stop: () => daemon.end("SIGTERM"),
    log: () => readFile(log, "utf8"),
  };
}
