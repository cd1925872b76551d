import type { Entry } from "./table.ts";

/** Repairs of one row that go at once; more of them, only as the bucket leaks. */
const burst = 10;
const leakPerSecond = 1;

/**
 * Somebody who undoes a row as often as we repair it must not make the host spin: each row has a leaky bucket, so a
 * fight goes on at one repair a second, and a lone deletion is mended at once.
 */
export class Contests {
  #levels = new Map<Entry, { level: number; at: number; times: number }>();
  #last = 0;

  /** Counts a repair that is due; answers how many ms it must wait, and for how many times running it had to. */
  delay(entry: Entry, now: number): { pause: number; times: number } {
    // Buckets that have run empty are forgotten together, once nobody has drifted for as long as that takes.
    if (now - this.#last > (1000 * (burst + 2)) / leakPerSecond) this.#levels = new Map();
    this.#last = now;
    const before = this.#levels.get(entry) ?? { level: 0, at: now, times: 0 };
    const level = Math.max(0, before.level - ((now - before.at) / 1000) * leakPerSecond) + 1;
    const times = level <= burst ? 0 : before.times + 1;
    this.#levels.set(entry, { level, at: now, times });
    return { pause: (Math.max(0, level - burst) / leakPerSecond) * 1000, times };
  }
}
