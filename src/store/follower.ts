import { compareRevisions } from "../model/revision.ts";
import { Backoff, pause } from "./backoff.ts";
import { checkHistory } from "./check.ts";
import type { Client } from "./client.ts";
import type { StoreEvent } from "./event.ts";
import { StoreError, storeError } from "./failure.ts";
import type { KeyRange } from "./key-range.ts";
import { type Listing, pages, startListing } from "./list.ts";
import { afterEvents, afterProgress, type Position } from "./position.ts";
import { Replica } from "./replica.ts";
import { type Next, nextStep, type Outcome, type Step } from "./resume.ts";
import { openWatch, type Told, type WatchStream } from "./watch-stream.ts";

export interface FollowerOptions {
  client: Client;
  range: KeyRange;
  pageSize: number;
  quietMs: number;
  answerMs: number;
  retryMs: readonly [number, number];
  refusedMs: number;
  signal: AbortSignal;
  tell(events: readonly StoreEvent[]): void;
}

/** A page of so few keys is small enough for any deadline. */
const fewestKeys = 16;

/** A watch that stood so long was no failure: pauses begin small again. */
const stoodMs = 1_000;

/** Follows one keyspace: does each step, and asks `nextStep` what then. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #replica: Replica;
  readonly #backoff: Backoff;
  #stream: WatchStream | undefined;
  #pageSize: number;
  /** ms since the epoch. */
  #heardAt = Date.now();
  /** What was said last; `undefined` before anything was. */
  #freshness: { fresh: true } | { fresh: false; since: number; why: string } | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#replica = new Replica(options.client.prefix);
    this.#backoff = new Backoff(...options.retryMs);
    this.#pageSize = options.pageSize;
  }

  /** Ends when aborted. */
  async run(): Promise<void> {
    const { signal, refusedMs } = this.#options;
    let next: Next | undefined = { step: { do: "list", listing: startListing(false) }, pause: "none" };
    while (next && !signal.aborted) {
      if (next.pause === "short") await this.#backoff.pause(signal);
      if (next.pause === "long") await pause(refusedMs * (0.5 + Math.random() / 2), signal);
      if (signal.aborted) return;
      const step: Step = next.step;
      const outcome = await this.#do(step);
      if (signal.aborted) return;
      next = nextStep(step, outcome);
      if (next) this.#sayDoubts(next);
    }
  }

  ask(): void {
    this.#stream?.ask();
  }

  async #do(step: Step): Promise<Outcome> {
    try {
      switch (step.do) {
        case "list":
          return { type: "listed", at: await this.#list(step.listing) };
        case "check": {
          const { client, range } = this.#options;
          return { type: "checked", verdict: await checkHistory(client, range, step.at), at: step.at };
        }
        case "watch":
          return await this.#watch(step.at);
      }
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      return { type: "failed", error: cause };
    }
  }

  async #list(listing: Listing): Promise<Position> {
    const { client, range, pageSize, signal, tell } = this.#options;
    try {
      for await (const page of pages(client, range, this.#pageSize, listing.cursor)) {
        signal.throwIfAborted();
        this.#heardAt = Date.now();
        const events = this.#replica.page(listing, page);
        if (page.next) {
          tell(events);
          continue;
        }
        this.#pageSize = pageSize;
        const end = this.#replica.endList(listing, page);
        tell([...events, ...end.events]);
        return end.at;
      }
    } catch (cause) {
      // Values may be so large that a page does not come within the deadline.
      this.#pageSize = Math.max(fewestKeys, this.#pageSize >> 1);
      throw signal.aborted ? storeError("list", signal.reason) : cause;
    }
    throw new Error("Cannot list: expected a last page, got none");
  }

  async #watch(from: Position): Promise<Outcome> {
    const { client, range, quietMs, answerMs, signal } = this.#options;
    let at = from;
    let createdAt = Number.POSITIVE_INFINITY;
    const stream = openWatch(client, {
      range,
      from: from.next,
      cluster: from.cluster,
      quietMs,
      answerMs,
      tell: (told) => {
        if (told.type === "created") createdAt = performance.now();
        at = this.#hear(told, at);
      },
      missed: async () => {
        const verdict = await checkHistory(client, range, at);
        if (verdict.type === "rewritten") return verdict.why;
        if (compareRevisions(verdict.revision, at.seen) <= 0) return undefined;
        return `the watch has seen revision ${at.seen} and does not answer, and etcd is at ${verdict.revision}`;
      },
    });
    const close = () => stream.close();
    signal.addEventListener("abort", close);
    this.#stream = stream;
    try {
      const ending = await stream.ended;
      // One that is refused as soon as it stands must not come back without a pause.
      if (performance.now() - createdAt > stoodMs) this.#backoff.reset();
      return { type: "watched", ending, at };
    } finally {
      signal.removeEventListener("abort", close);
      this.#stream = undefined;
    }
  }

  /** Called as the answer arrives, without a turn of the event loop in between. */
  #hear(told: Told, at: Position): Position {
    const { tell } = this.#options;
    this.#heardAt = Date.now();
    switch (told.type) {
      case "created":
        if (!this.#freshness?.fresh) tell([{ type: "fresh" }]);
        this.#freshness = { fresh: true };
        return at;
      case "progress":
        tell([told]);
        return afterProgress(at, told.revision, told.sure);
      case "events":
        tell(this.#replica.changes(told.events));
        return afterEvents(at, told.events);
    }
  }

  #sayDoubts({ stale, doubt }: Next): void {
    const { tell } = this.#options;
    if (stale && (this.#freshness?.fresh !== false || this.#freshness.why !== stale.why)) {
      const since = this.#freshness?.fresh === false ? this.#freshness.since : this.#heardAt;
      this.#freshness = { fresh: false, since, why: stale.why };
      tell([{ type: "stale", since, ...stale }]);
    }
    if (doubt !== undefined) tell([{ type: "doubt", why: doubt }]);
  }
}
