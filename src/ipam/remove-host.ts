import { blockName } from "../model/block.ts";
import { resting } from "../model/claim.ts";
import { keyOf, type RecordKey } from "../model/keys.ts";
import type { World } from "../model/world.ts";
import type { Client } from "../store/client.ts";
import type { Expectation, Write } from "../store/transaction.ts";
import { allClaims, claimKey } from "./claim-store.ts";

/** What went with a host. */
export interface RemovedHost {
  containers: number;
  addresses: number;
  blocks: number;
  networks: number;
}

/** Writes of one transaction: below the 128 that etcd takes. */
const mostAtOnce = 100;

/**
 * Removes a host that is gone for good: its containers' records, then their addresses, which rest, then its blocks and
 * memberships, and last its own record; so a removal that was interrupted can be done again.
 *
 * @param fence what else must hold in every step. @throws StoreError
 */
export async function removeHost(
  client: Client,
  world: World,
  host: string,
  fence: readonly Expectation[] = [],
): Promise<RemovedHost> {
  const removed: RemovedHost = { containers: 0, addresses: 0, blocks: 0, networks: 0 };
  const places: RecordKey[] = [];
  const containers: RecordKey[] = [];
  for (const [net, keyspace] of world.keyspaces) {
    for (const { key } of keyspace.containers.get(host)?.values() ?? []) containers.push(key);
    const blocks = [...(keyspace.blocksByHost.get(host) ?? [])];
    removed.blocks += blocks.length;
    places.push(...blocks.map((prefix) => keyOf({ type: "block", net, block: blockName(prefix) })));
    if (keyspace.members.has(host)) {
      removed.networks++;
      places.push(keyOf({ type: "member", net, host }));
    }
  }
  for (const net of world.networks.keys()) places.push(keyOf({ type: "status", net, host }));
  removed.containers = containers.length;
  await removeAll(client, containers, fence);
  removed.addresses = await restAll(client, host, fence);
  await removeAll(client, places, fence);
  await removeAll(client, [keyOf({ type: "alive", host }), keyOf({ type: "host", host })], fence);
  return removed;
}

async function removeAll(client: Client, keys: readonly RecordKey[], fence: readonly Expectation[]): Promise<void> {
  for (let i = 0; i < keys.length; i += mostAtOnce) {
    const writes = keys.slice(i, i + mostAtOnce).map((key): Write => ({ type: "remove", key }));
    await client.commit(fence, writes);
  }
}

/** Each by itself: one that changed hands meanwhile must not keep the others. */
async function restAll(client: Client, host: string, fence: readonly Expectation[]): Promise<number> {
  let count = 0;
  for await (const { net, ip, revision, claim } of allClaims(client)) {
    if (claim?.state !== "held" || claim.owner.host !== host) continue;
    const key = claimKey(net, ip);
    const value = JSON.stringify(resting(claim, Date.now()));
    const { done } = await client.commit([{ key, at: revision }, ...fence], [{ type: "put", key, value }]);
    if (done) count++;
  }
  return count;
}
