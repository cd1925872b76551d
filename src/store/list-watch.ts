import { Observable } from "rxjs";
import type { Client } from "./client.ts";
import type { StoreEvent } from "./event.ts";
import { Follower } from "./follower.ts";

export interface ListWatchOptions {
  /** Each emission asks etcd how far the watch is, answered by a `progress` event; see there how sure it is. */
  ask$?: Observable<unknown>;
  /** Keys a page, 2,000 unless told otherwise; halved while lists fail. */
  pageSize?: number;
  /** Milliseconds of silence after which a watch is asked whether it is alive, and until its answer is missed: 5 s and 3 s. */
  quietMs?: number;
  answerMs?: number;
  /** First and longest pause between tries, 0.1 s and 5 s; and the pause after a refusal, 10 s. */
  retryMs?: readonly [number, number];
  refusedMs?: number;
}

/**
 * Every key below `prefix` (`keyspaces/blue/`), then every change, for ever; see StoreEvent for what it tells. It never
 * errors, and completes when the client is closed. Each subscription lists and watches for itself.
 */
export function listWatch(
  client: Client,
  prefix: string,
  options: ListWatchOptions = {},
): Observable<readonly StoreEvent[]> {
  return new Observable((subscriber) => {
    const unsubscribed = new AbortController();
    const follower = new Follower({
      client,
      range: client.rangeOf(prefix),
      pageSize: options.pageSize ?? 2_000,
      quietMs: options.quietMs ?? 5_000,
      answerMs: options.answerMs ?? 3_000,
      retryMs: options.retryMs ?? [100, 5_000],
      refusedMs: options.refusedMs ?? 10_000,
      signal: AbortSignal.any([client.signal, unsubscribed.signal]),
      tell: (events) => subscriber.next(events),
    });
    const asking = options.ask$?.subscribe(() => follower.ask());
    void follower.run().then(() => subscriber.complete());
    return () => {
      asking?.unsubscribe();
      unsubscribed.abort();
    };
  });
}
