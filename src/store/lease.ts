import type { ILeaseKeepAliveResponse } from "etcd3";
import { Observable } from "rxjs";
import { Backoff, pause } from "./backoff.ts";
import type { Client } from "./client.ts";
import { StoreError, storeError } from "./failure.ts";

/** How a key under a lease fares. */
export type LeaseState =
  /** It stands, and does so for at least `ttlSeconds` from now whatever happens to us. */
  | { type: "held"; lease: string; ttlSeconds: number }
  /** etcd could not be told since `since` (ms since the epoch); the key goes `ttlSeconds` after that. */
  | { type: "failing"; since: number; why: string }
  /** The lease ran out or was revoked; it is being taken anew. */
  | { type: "lost"; lease: string }
  /** Another value stands under the key: it is somebody else's, and is left alone until its lease ends. */
  | { type: "taken" };

export interface HeldKey {
  /** Without the installation's prefix: `alive/h1`. */
  key: string;
  value: string | Buffer;
  /** 60 unless told otherwise: that outlives an outage of half a minute unseen (measured). */
  ttlSeconds?: number;
}

/**
 * Keeps a key in etcd as long as it is subscribed, and no longer than its lease after that: an agent that is stopped and
 * started again within that time was never away. Who leaves for good removes the key. Never errors; completes when the
 * client is closed.
 */
export function hold(client: Client, held: HeldKey): Observable<LeaseState> {
  return new Observable((subscriber) => {
    const unsubscribed = new AbortController();
    const signal = AbortSignal.any([client.signal, unsubscribed.signal]);
    void keep(client, held, (state) => subscriber.next(state), signal).then(() => subscriber.complete());
    return () => unsubscribed.abort();
  });
}

async function keep(
  client: Client,
  { key, value, ttlSeconds = 60 }: HeldKey,
  tell: (state: LeaseState) => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(100, 5_000);
  let lease: string | undefined;
  let heldAt = Date.now();
  while (!signal.aborted) {
    try {
      if (lease === undefined) {
        lease = (
          await client.call("grant a lease", () => client.etcd.leaseClient.leaseGrant({ TTL: ttlSeconds }), true)
        ).ID;
      } else if (!(await renew(client, lease))) {
        tell({ type: "lost", lease });
        lease = undefined;
        continue;
      }
      if (!(await place(client, key, value, lease))) {
        tell({ type: "taken" });
        await backoff.pause(signal);
        continue;
      }
      heldAt = Date.now();
      backoff.reset();
      tell({ type: "held", lease, ttlSeconds });
      await pause((ttlSeconds * 1000) / 3, signal);
    } catch (cause) {
      const error = storeError(`keep ${key}`, cause);
      if (error.code === "closed" || signal.aborted) return;
      tell({ type: "failing", since: heldAt, why: error.message });
      await backoff.pause(signal);
    }
  }
}

/**
 * Puts the key unless it stands under this lease already: somebody may have removed it, or an older self written it.
 *
 * @returns false where another value stands there under a lease, which is somebody else's
 */
async function place(client: Client, key: string, value: string | Buffer, lease: string): Promise<boolean> {
  for (;;) {
    const found = await client.get(key);
    if (found?.lease === lease) return true;
    if (found && found.lease !== "0" && !found.value.equals(Buffer.from(value))) return false;
    const put = { type: "put", key, value, lease } as const;
    if ((await client.commit([{ key, at: found?.revision ?? "absent" }], [put])).done) return true;
  }
}

/** One keep-alive on a stream of its own, which needs no watching over. @returns false when the lease is gone */
export async function renew(client: Client, lease: string): Promise<boolean> {
  const stream = await client.etcd.leaseClient.leaseKeepAlive();
  const { promise, resolve, reject } = Promise.withResolvers<ILeaseKeepAliveResponse>();
  const silence = new StoreError("unavailable", `Cannot renew lease ${lease}: expected an answer within 3 s, got none`);
  const timer = setTimeout(reject, 3_000, silence);
  try {
    stream
      .on("data", resolve)
      .on("error", reject)
      .on("end", () => reject(silence));
    stream.write({ ID: lease });
    return (await promise).TTL !== "0";
  } finally {
    clearTimeout(timer);
    stream.end();
    stream.cancel();
  }
}
