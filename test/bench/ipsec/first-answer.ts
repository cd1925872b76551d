import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Place } from "../../../src/lab/place.ts";

/** A ping that goes on until it is answered, or was answered already. */
export interface AwaitedPing {
  /** When the first answer came, by the clock of Date.now(), with its fractions. */
  answered: Promise<number>;
  end(): Promise<void>;
}

const intervalMs = 10;

/** Resolves when it is under way, in vain so far. */
export async function awaitAnswer(place: Place, from: string, to: string): Promise<AwaitedPing> {
  const child = place.spawn("ping", ["-ODn", "-i", `${intervalMs / 1000}`, "-W", "1", "-I", from, to]);
  child.stderr.pipe(process.stderr);
  const closed = once(child, "close");
  const begun = Promise.withResolvers<void>();
  const answered = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes("no answer yet")) begun.resolve();
      // The stamp is ping's own: this process may come to read it late.
      const stamp = /^\[([\d.]+)\].* ttl=/.exec(line)?.[1];
      if (stamp !== undefined) resolve(Number(stamp) * 1000);
    });
    closed.then(() => reject(new Error(`Cannot measure: expected an answer of ${to}, got the end of ping`)));
  });
  answered.catch(() => {}); // its end, later, is ours to wish
  await Promise.race([begun.promise, answered]);
  return {
    answered,
    async end() {
      child.kill("SIGINT");
      await closed;
    },
  };
}
