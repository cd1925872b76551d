import type { Failure } from "./kind.ts";

/** A failed row is tried again after 100 ms, doubling to a minute; one that waits for an event, from 5 s. */
const shortest = 100;
const shortestWait = 5_000;
const longest = 60_000;

/** No row is tried more often than this by events that wake it. */
export const leastPause = shortest;

/** Milliseconds to the next try; up to a quarter more, so that what failed together is not retried together. */
export function backoff(next: Failure["next"], attempt: number, random: () => number): number {
  const first = next === "wait" ? shortestWait : shortest;
  const pause = first * 2 ** Math.min(attempt - 1, 20);
  return Math.min(longest, pause * (1 + random() / 4));
}

/** Which attempts are worth telling when the failure stays the same: 1, 2, 4, 8... */
export function isTold(attempt: number): boolean {
  return Number.isInteger(Math.log2(attempt));
}
