import { pause } from "./backoff.ts";
import type { Client } from "./client.ts";
import { renew } from "./lease.ts";
import type { Expectation } from "./transaction.ts";

export interface LeadershipOptions {
  client: Client;
  /** Whoever has this key leads; without the installation's prefix. */
  key: string;
  /** Who we are, for people. */
  value: string;
  /** How long a leader that died is waited for, and three times how often it says that it lives. */
  ttlSeconds: number;
}

/** One of many that would do a thing does it. */
export interface Leadership {
  /** While we lead: what must hold in every transaction that only the leader may do. */
  fence(): Expectation | undefined;
  /** Gives it up at once, so that another need not wait. */
  stop(): Promise<void>;
}

/** Tries for as long as it is not stopped; failures of etcd mean that we do not lead, and are tried again. */
export function campaign({ client, key, value, ttlSeconds }: LeadershipOptions): Leadership {
  const ending = new AbortController();
  const signal = AbortSignal.any([client.signal, ending.signal]);
  let lease: string | undefined;
  let fence: Expectation | undefined;

  async function attempt(): Promise<void> {
    if (lease !== undefined && fence !== undefined) {
      if (await renew(client, lease)) return;
      lease = undefined;
      fence = undefined;
    }
    // A thousand hosts look on; a lease for each try would be work for etcd.
    if (await client.get(key)) return;
    const granted = await client.call(
      "grant a lease",
      () => client.etcd.leaseClient.leaseGrant({ TTL: ttlSeconds }),
      true,
    );
    const { done, revision } = await client.commit(
      [{ key, at: "absent" }],
      [{ type: "put", key, value, lease: granted.ID }],
    );
    if (!done) return revoke(granted.ID);
    lease = granted.ID;
    fence = { key, at: revision };
  }

  async function revoke(id: string): Promise<void> {
    await client.call("revoke a lease", () => client.etcd.leaseClient.leaseRevoke({ ID: id }), true);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      // The fence stands in the transaction: who wrongly believes to lead writes nothing.
      await attempt().catch(() => undefined);
      await pause((ttlSeconds * 1000) / 3, signal);
    }
  }
  const running = run();

  return {
    fence: () => fence,
    async stop() {
      ending.abort();
      await running;
      const held = lease;
      lease = undefined;
      fence = undefined;
      // Without etcd it runs out by itself.
      if (held !== undefined) await revoke(held).catch(() => undefined);
    },
  };
}
