import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** One run of the etcd binary. */
export interface EtcdProcess {
  readonly pid: number;
  /** Resolves when it is gone, with why: its exit and the last lines it wrote. */
  readonly exited: Promise<string>;
  /** Sends a signal and waits for the end. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<string>;
}

/** How much of what etcd wrote is kept for the message about its end. */
const tailLength = 2_000;

/**
 * Runs etcd as a child that dies with us: an orphan would hold the lock of its data directory, and the next start would
 * fail on it. SIGKILL is safe, since etcd's log is on disk before it answers.
 *
 * @param cwd where its unix sockets appear: etcd takes only `unix://host:port`, and makes a file of that name here
 * @throws Error naming the Debian package when there is no etcd
 */
export function runEtcd(args: readonly string[], cwd: string): EtcdProcess {
  const binary = findBinary("etcd", "etcd-server");
  const child = spawn(findBinary("setpriv", "util-linux"), ["--pdeathsig", "KILL", binary, ...args], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = ending(child);
  return {
    pid: child.pid ?? 0,
    exited,
    async end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

async function ending(child: ChildProcess): Promise<string> {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-tailLength);
  });
  try {
    const [code, signal] = await once(child, "close");
    return `etcd ended with ${signal ?? `status ${code}`}${tail && `: ${tail.trim()}`}`;
  } catch (error) {
    return `etcd did not start: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function findBinary(name: string, debianPackage: string): string {
  for (const directory of (process.env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next directory of PATH may have it.
    }
  }
  throw new Error(
    `Cannot start etcd: expected ${name} in PATH, got none. On Debian: apt-get install ${debianPackage}; ` +
      "or name a running etcd with --etcd",
  );
}
