import type { World } from "../model/world.ts";
import type { Tell } from "../observe/event.ts";
import { pause } from "../store/backoff.ts";
import type { Client } from "../store/client.ts";
import type { Leadership } from "../store/leadership.ts";
import type { Expectation } from "../store/transaction.ts";
import { idOf, look } from "./check.ts";
import { isRepairable } from "./finding.ts";
import { type RemovedHost, removeHost } from "./remove-host.ts";
import { repair } from "./repair.ts";

export interface CollectionOptions {
  client: Client;
  world: World;
  leadership: Leadership;
  /** Hosts whose agents live, as etcd has it now. */
  alive(): Promise<ReadonlySet<string>>;
  tell: Tell;
  /** Milliseconds between two looks. */
  everyMs: number;
  /** How long a thing must have been amiss, in every look, before it is collected. */
  graceMs: number;
  /** How long an agent must have been away before its host is removed; absent: only the operator does that. */
  forgetMs?: number;
}

/** Takes back addresses and blocks that nobody has any more: one agent of the installation does, the one that leads. */
export interface Collection {
  /** One look, and what is due by it; @returns how much was collected. @throws StoreError */
  sweep(now: number): Promise<number>;
  stop(): void;
}

export function createCollection(options: CollectionOptions): Collection {
  const { client, world, leadership, alive, tell, everyMs, graceMs, forgetMs } = options;
  /** Since when each thing is amiss; a look that does not find it again forgets it. */
  let sightings = new Map<string, number>();
  let silent = new Map<string, number>();
  const ending = new AbortController();
  const signal = AbortSignal.any([client.signal, ending.signal]);

  async function sweep(now: number): Promise<number> {
    const fence = leadership.fence();
    if (fence === undefined) {
      sightings.clear();
      silent.clear();
      return 0;
    }
    let done = 0;
    const seen = new Map<string, number>();
    for (const finding of await look(client, world)) {
      const id = idOf(finding);
      const since = sightings.get(id);
      seen.set(id, since ?? now);
      if (since === undefined || now - since < graceMs || !isRepairable(finding) || signal.aborted) continue;
      if (!(await repair(client, finding, now, [fence]))) continue;
      done++;
      seen.delete(id);
      if (finding.type !== "rested")
        tell({ type: "collected", key: finding.key, net: finding.net, why: finding.reason });
    }
    sightings = seen;
    return done + (await removeSilent(now, fence));
  }

  async function removeSilent(now: number, fence: Expectation): Promise<number> {
    if (forgetMs === undefined) return 0;
    const living = await alive();
    const seen = new Map<string, number>();
    let done = 0;
    for (const host of new Set([...world.hosts.keys(), ...world.memberships.keys()])) {
      if (living.has(host)) continue;
      const since = silent.get(host) ?? now;
      seen.set(host, since);
      if (now - since < forgetMs) continue;
      // An agent that comes back this moment is not removed.
      const away: Expectation = { key: `alive/${host}`, at: "absent" };
      const removed = await removeHost(client, world, host, [fence, away]);
      if (removed.stoppedBy !== undefined) {
        tellPart(host, removed);
        if (removed.stoppedBy === fence.key) break;
        continue;
      }
      const why = `its agent was away for ${Math.round((now - since) / 1000)} s`;
      tell({ type: "warned", code: "HOST_REMOVED", message: `Removed host ${host}: ${why}` });
      seen.delete(host);
      done++;
    }
    silent = seen;
    return done;
  }

  /** Its agent came back, or another collects now. */
  function tellPart(host: string, { stoppedBy, ...counts }: RemovedHost): void {
    const gone = Object.entries(counts).filter(([, count]) => count > 0);
    if (gone.length === 0) return;
    const what = gone.map(([name, count]) => `${count} ${name}`).join(", ");
    const message = `Stopped removing host ${host}: ${stoppedBy} is not as it was. Removed by then: ${what}`;
    tell({ type: "warned", code: "HOST_PARTLY_REMOVED", message });
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await pause(everyMs, signal);
      if (signal.aborted) return;
      try {
        await sweep(Date.now());
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        if (!signal.aborted) tell({ type: "warned", code: "COLLECTION", message: `Cannot collect addresses: ${why}` });
      }
    }
  }
  void run();

  return { sweep, stop: () => ending.abort() };
}
