import type { Entry } from "./table.ts";

/** Repairs of one row that go at once; more of them, only as the bucket leaks. */
const burst = 10;
const leakPerSecond = 1;

/**
 * Somebody who undoes a row as often as we repair it must not make the host spin: each row has a leaky bucket, so a
 * fight goes on at one repair a second, and a lone deletion is mended at once.
 */
export class Contests {
  #levels = new Map<Entry, { level: number; at: number }>();
  #last = 0;

  /** Counts a repair that is due; answers how many ms it must wait, 0 for at once. */
  delay(entry: Entry, now: number): number {
    // Buckets that have run empty are forgotten together, once nobody has drifted for as long as that takes.
    if (now - this.#last > (1000 * (burst + 2)) / leakPerSecond) this.#levels = new Map();
    this.#last = now;
    const { level, at } = this.#levels.get(entry) ?? { level: 0, at: now };
    const filled = Math.max(0, level - ((now - at) / 1000) * leakPerSecond) + 1;
    this.#levels.set(entry, { level: filled, at: now });
    return filled <= burst ? 0 : ((filled - burst) / leakPerSecond) * 1000;
  }
}
