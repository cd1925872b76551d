import { resting } from "../model/claim.ts";
import { keyOf, type RecordKey } from "../model/keys.ts";
import type { World } from "../model/world.ts";
import type { Client } from "../store/client.ts";
import type { Commit, Expectation, Write } from "../store/transaction.ts";
import { readBlocks } from "./blocks.ts";
import { allClaims, claimKey } from "./claim-store.ts";

/** What went with a host. */
export interface RemovedHost {
  containers: number;
  addresses: number;
  blocks: number;
  networks: number;
  /** The key of the fence that was not as expected: what is not counted was left. Absent: all is done. */
  stoppedBy?: string;
}

/** What a step of it came to. */
interface Step {
  count: number;
  stoppedBy?: string | undefined;
}

/** What becomes of a key that is as it was seen. */
interface Change {
  seen: Expectation;
  write: Write;
}

/** Writes of one transaction: below the 128 that etcd takes. */
const mostAtOnce = 100;

/**
 * Removes a host that is gone for good: its containers' records, then their addresses, which rest, then its memberships and
 * blocks, and last its own record; so a removal that was interrupted can be done again.
 *
 * @param fence what else must hold in every step; the first that does not is the last. @throws StoreError
 */
export async function removeHost(
  client: Client,
  world: World,
  host: string,
  fence: readonly Expectation[] = [],
): Promise<RemovedHost> {
  const removed: RemovedHost = { containers: 0, addresses: 0, blocks: 0, networks: 0 };
  const own = (keys: RecordKey[]) => removeAll(client, keys, fence);
  const status = [...world.networks.keys()].map((net) => keyOf({ type: "status", net, host }));
  const steps: [keyof Omit<RemovedHost, "stoppedBy"> | undefined, () => Promise<Step>][] = [
    ["containers", () => own(containersOf(world, host))],
    ["addresses", () => changeEach(client, rests(client, host), fence)],
    ["networks", () => own(membershipsOf(world, host))],
    ["blocks", () => changeEach(client, blockRemovals(client, world, host), fence)],
    [undefined, () => own(status)],
    [undefined, () => own([keyOf({ type: "alive", host }), keyOf({ type: "host", host })])],
  ];
  for (const [what, step] of steps) {
    const { count, stoppedBy } = await step();
    if (what) removed[what] = count;
    if (stoppedBy !== undefined) return { ...removed, stoppedBy };
  }
  return removed;
}

function containersOf({ keyspaces }: World, host: string): RecordKey[] {
  return [...keyspaces.values()].flatMap(({ containers }) =>
    [...(containers.get(host)?.values() ?? [])].map(({ key }) => key),
  );
}

function membershipsOf({ keyspaces }: World, host: string): RecordKey[] {
  return [...keyspaces].flatMap(([net, { members }]) =>
    members.has(host) ? [keyOf({ type: "member", net, host })] : [],
  );
}

async function* blockRemovals(client: Client, { keyspaces }: World, host: string): AsyncGenerator<Change> {
  for (const [net, { blocksByHost }] of keyspaces) {
    if (!blocksByHost.has(host)) continue;
    for (const { key, block, revision } of await readBlocks(client, net))
      if (block.host === host) yield { seen: { key, at: revision }, write: { type: "remove", key } };
  }
}

async function* rests(client: Client, host: string): AsyncGenerator<Change> {
  for await (const { net, ip, revision, claim } of allClaims(client)) {
    if (claim?.state !== "held" || claim.owner.host !== host) continue;
    const key = claimKey(net, ip);
    const value = JSON.stringify(resting(claim, Date.now()));
    yield { seen: { key, at: revision }, write: { type: "put", key, value } };
  }
}

/** Keys that have the host's name in them: they are its own, whatever stands there. */
async function removeAll(client: Client, keys: readonly RecordKey[], fence: readonly Expectation[]): Promise<Step> {
  let count = 0;
  for (let i = 0; i < keys.length; i += mostAtOnce) {
    const writes = keys.slice(i, i + mostAtOnce).map((key): Write => ({ type: "remove", key }));
    const commit = await client.commit(fence, writes);
    if (!commit.done) return { count, stoppedBy: broken(fence, commit) };
    count += writes.length;
  }
  return { count };
}

/** Each by itself: one that changed hands meanwhile stays, and must not keep the others. */
async function changeEach(
  client: Client,
  changes: AsyncIterable<Change>,
  fence: readonly Expectation[],
): Promise<Step> {
  let count = 0;
  for await (const { seen, write } of changes) {
    const commit = await client.commit([...fence, seen], [write]);
    if (commit.done) count++;
    else {
      const stoppedBy = broken(fence, commit);
      if (stoppedBy !== undefined) return { count, stoppedBy };
    }
  }
  return { count };
}

/** The first of the fence that is not as expected; what is found begins with what stands there. */
function broken(fence: readonly Expectation[], { found }: Extract<Commit, { done: false }>): string | undefined {
  return fence.find(({ at }, n) => (found[n]?.revision ?? "absent") !== at)?.key;
}
