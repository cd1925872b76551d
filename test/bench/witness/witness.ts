import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** One notification of the kernel, as the witness heard it. */
export interface Heard {
  /** Nanoseconds, on the scale of process.hrtime.bigint(). */
  stamp: bigint;
  /** The name its namespace was opened under. */
  where: string;
  /** As in `+ route 10.42.0.0/26`; see message.ts. */
  what: string;
}

/** The witness: it hears what becomes of the kernel's tables, in a process of its own. */
export interface Witness {
  /** Listens in the namespace of this path from now on. */
  open(where: string, path: string): Promise<void>;
  /** Resolves with the stamp of the last of these, each heard since now: `WHERE WHAT`, as in `h1 + route 10.42.0.0/26`. */
  heard(rows: Iterable<string>): Promise<bigint>;
  /** Every notification from now on, until the answer is called. */
  follow(take: (heard: Heard) => void): () => void;
  close(): Promise<void>;
}

/** How long a row may be awaited before the measurement is given up. */
const patienceMs = 60_000;

export async function callWitness(): Promise<Witness> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "program.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const takers = new Set<(heard: Heard) => void>();
  const opening = new Map<string, () => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [stamp, where, sign, ...rest] = line.split(" ") as [string, string, string, ...string[]];
    if (stamp === "ready") {
      opening.get(where)?.();
      return;
    }
    const heard = { stamp: BigInt(stamp), where, what: [sign, ...rest].join(" ") };
    for (const take of [...takers]) take(heard);
  });

  const follow: Witness["follow"] = (take) => {
    takers.add(take);
    return () => takers.delete(take);
  };

  return {
    follow,
    open(where, path) {
      return new Promise((resolve, reject) => {
        opening.set(where, resolve);
        ended.then(() => reject(new Error(`Cannot listen in ${where}: expected the witness to run, got its end`)));
        child.stdin.write(`open ${where} ${path}\n`);
      });
    },
    heard(rows) {
      const missing = new Set(rows);
      const total = missing.size;
      return new Promise((resolve, reject) => {
        const stop = follow((heard) => {
          if (!missing.delete(`${heard.where} ${heard.what}`) || missing.size > 0) return;
          clearTimeout(timer);
          stop();
          resolve(heard.stamp);
        });
        const timer = setTimeout(() => {
          stop();
          const some = [...missing].slice(0, 3).join(", ");
          reject(new Error(`Cannot measure: expected ${total} rows, ${missing.size} missing: ${some}`));
        }, patienceMs);
      });
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
