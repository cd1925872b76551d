import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, rm } from "node:fs/promises";
import { LabError } from "./error.ts";
import type { Place } from "./place.ts";
import { isStopped } from "./process-stat.ts";

/** A program that runs on in a place and outlives this process if the lab is kept; it can be ended and started again. */
export interface Daemon {
  /** Its process; `undefined` while it does not run. */
  pid(): number | undefined;
  /** Resolves when the process exists; where it runs already, nothing happens. */
  start(): Promise<void>;
  /** Sends a signal; nothing happens where it does not run. */
  signal(name: NodeJS.Signals): void;
  /** Stops it where it stands, with all its connections, until SIGCONT; resolves when none of its threads runs. */
  pause(): Promise<void>;
  /** Sends a signal and resolves when the process has ended. */
  end(name: NodeJS.Signals): Promise<void>;
  /**
   * What `wish` gives; `wish` is aborted when the daemon ends first.
   * @throws LabError DAEMON_ENDED with the end of its log.
   */
  whileRunning<T>(wish: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

export interface DaemonOptions {
  /** For messages: `etcd`, `agent of h1`. */
  title: string;
  command: readonly [string, ...string[]];
  /** File that its output is added to: a pipe would break with the process that reads it. */
  log: string;
  cwd?: string;
  /** File that it makes, and leaves behind when it is killed: what is there before a start is removed, so that it means this one. */
  socket?: string;
}

interface Running {
  pid: number;
  signal(name: NodeJS.Signals): void;
  /** Keeps this process from ending before it does. */
  hold(): void;
  /** How it ended: `status 1`, `SIGKILL`. */
  ended: Promise<string>;
}

export function daemonIn(place: Place, options: DaemonOptions): Daemon {
  let running: Running | undefined;

  async function failure(how: string): Promise<LabError> {
    const log = await readFile(options.log, "utf8");
    const lines = log.trim().split("\n").slice(-10).join("\n");
    return new LabError(
      "DAEMON_ENDED",
      `Cannot use ${options.title}: expected it to run, got ${how}; its log ends:\n${lines}`,
    );
  }

  return {
    pid: () => running?.pid,
    async start() {
      if (running !== undefined) return;
      if (options.socket !== undefined) await rm(options.socket, { force: true });
      const started = await launch(place, options);
      running = started;
      started.ended.then(() => {
        if (running === started) running = undefined;
      });
    },
    signal: (name) => running?.signal(name),
    async pause() {
      running?.signal("SIGSTOP");
      // The kernel stops threads one by one, those that wait for a disk last: an etcd has answered meanwhile.
      while (running !== undefined && !(await isStopped(running.pid)));
    },
    async end(name) {
      const ending = running;
      ending?.hold();
      ending?.signal(name);
      ending?.signal("SIGCONT"); // a stopped process takes no other signal than SIGKILL
      await ending?.ended;
    },
    async whileRunning(wish) {
      if (running === undefined) throw await failure("no process");
      const abort = new AbortController();
      const outlived = running.ended.then(async (how) => {
        if (!abort.signal.aborted) throw await failure(how);
      });
      try {
        return await Promise.race([wish(abort.signal), outlived.then(() => new Promise<never>(() => {}))]);
      } finally {
        abort.abort();
      }
    },
  };
}

async function launch(place: Place, options: DaemonOptions): Promise<Running> {
  const [program, ...args] = options.command;
  const [file, ...rest] = place.commandLine(program, args, options.cwd);
  const log = await open(options.log, "a");
  try {
    const child = spawn(file, rest, { env: place.env, stdio: ["ignore", log.fd, log.fd], detached: true });
    const ended = once(child, "exit").then(([code, signal]) => (signal as string | null) ?? `status ${code}`);
    await once(child, "spawn");
    child.unref();
    return { pid: child.pid!, signal: (name) => void child.kill(name), hold: () => child.ref(), ended };
  } finally {
    await log.close();
  }
}
