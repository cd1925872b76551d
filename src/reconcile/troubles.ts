import type { Scope } from "../desired/rows.ts";
import { backoff, isTold, leastPause } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Failure } from "./kind.ts";
import type { Entry } from "./table.ts";

/** A row that failed, and when it is tried again. */
export interface Trouble {
  failure: Failure;
  attempt: number;
  triedAt: number;
  retryAt: number;
}

/** When to try next in ms, and how many times that was so, where it is not the back-off that says. */
export interface Pacing {
  pause: number;
  times: number;
}

/** Timers are rounded up to this many ms, so that 10,000 failing rows wake the engine a hundred times a second at most. */
const grain = 10;

/** The rows that have failed: few, so they are kept aside and by scope, and one timer serves them all. */
export class Troubles {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #retry: (entry: Entry) => void;
  readonly #scopes = new Map<Scope, Map<Entry, Trouble>>();
  #size = 0;
  #timer: { at: number; cancel: () => void } | undefined;

  constructor(clock: Clock, random: () => number, retry: (entry: Entry) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#retry = retry;
  }

  get size(): number {
    return this.#size;
  }

  get(entry: Entry): Trouble | undefined {
    return this.#size === 0 ? undefined : this.#scopes.get(entry.partition.scope)?.get(entry);
  }

  *entries(): Generator<[Entry, Trouble]> {
    for (const troubles of this.#scopes.values()) yield* troubles;
  }

  /** Whether the row must still wait for its next try. */
  holds(entry: Entry): boolean {
    const trouble = this.get(entry);
    return trouble !== undefined && trouble.retryAt > this.#clock.now();
  }

  /** Takes note of a failure; `isNews` says whether it is worth telling. */
  add(entry: Entry, failure: Failure, set?: Pacing): { trouble: Trouble; retryMs: number; isNews: boolean } {
    const { scope } = entry.partition;
    const before = this.get(entry);
    const attempt = set?.times ?? (before?.attempt ?? 0) + 1;
    const isNews = before?.failure.code !== failure.code && set === undefined;
    const now = this.#clock.now();
    const retryMs = set?.pause ?? backoff(failure.next, attempt, this.#random);
    const trouble = { failure, attempt, triedAt: now, retryAt: now + retryMs };
    const troubles = this.#scopes.get(scope) ?? new Map<Entry, Trouble>();
    this.#scopes.set(scope, troubles.set(entry, trouble));
    if (!before) this.#size++;
    this.#arm(trouble.retryAt);
    return { trouble, retryMs, isNews: isNews || isTold(attempt) };
  }

  /** Answers whether there was any. */
  clear(entry: Entry): boolean {
    if (this.#size === 0) return false;
    const { scope } = entry.partition;
    const troubles = this.#scopes.get(scope);
    if (!troubles?.delete(entry)) return false;
    this.#size--;
    if (troubles.size === 0) this.#scopes.delete(scope);
    return true;
  }

  in(scope: Scope): Iterable<[Entry, Trouble]> {
    return this.#scopes.get(scope) ?? [];
  }

  /**
   * What it lacked may be there now: try at once, or, after the first time, as soon as the least pause is over. At once,
   * since the kernel tells of a deleted link's rows before it tells of the link: they fail first, and the link follows.
   */
  wake(entry: Entry, trouble: Trouble, pause = trouble.attempt > 1 ? leastPause : 0): void {
    if (entry.flight !== "none") return;
    const now = this.#clock.now();
    const earliest = trouble.triedAt + pause;
    trouble.retryAt = Math.min(trouble.retryAt, Math.max(now, earliest));
    if (trouble.retryAt <= now) this.#retry(entry);
    else this.#arm(trouble.retryAt);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(retryAt: number): void {
    const at = Math.ceil(retryAt / grain) * grain;
    if (this.#timer && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const cancel = this.#clock.later(at - this.#clock.now(), () => this.#ring());
    this.#timer = { at, cancel };
  }

  #ring(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [entry, trouble] of this.entries()) {
      if (trouble.retryAt > now) next = Math.min(next, trouble.retryAt);
      else if (entry.flight === "none") this.#retry(entry);
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }
}
