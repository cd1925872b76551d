import { refusal } from "../desired/admission.ts";
import type { Inputs, Skip } from "../desired/inputs.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Tell } from "../observe/event.ts";
import type { Client } from "../store/client.ts";
import type { StoreEvent } from "../store/event.ts";
import { createClaiming, type Outcome } from "./claiming.ts";
import { createOwnRecords } from "./own-records.ts";
import type { KnownClaim } from "./pool.ts";
import { createStock, type Stock } from "./stock.ts";

export interface AddressesOptions {
  client: Client;
  inputs(): Inputs;
  tell: Tell;
  /** Whether the host's name is this agent's to write under; it is looked at again when that changes. */
  mayWrite?(): boolean;
}

/** Gives this host's containers their addresses, claims those that records name, and lets go of those that nobody has. */
export interface Addresses {
  /** What the store told, after the world has taken it in. */
  take(events: readonly StoreEvent[]): void;
  /** The world is whole: what was only noted until now is acted upon. */
  start(): void;
  /** Looks again at what waits in these networks; call it when the world has taken in a change to them. */
  review(nets: Iterable<string>): void;
  /** Whether a record of this host, as the world has it, is about to get an address: then not all is done yet. */
  pending(net: string): boolean;
  /** Records of a network that got no address, and why. */
  troubles(net: string): Skip[];
  stop(): void;
}

/** Records worked on at a time: etcd answers a transaction in a millisecond, and many at once share its writes to disk. */
const mostAtOnce = 64;
/** Milliseconds until a full network is asked again, and between tries while etcd is away. */
const fullMs = 500;
const [firstRetryMs, longestRetryMs] = [100, 5_000];

export function createAddresses({ client, inputs, tell, mayWrite = () => true }: AddressesOptions): Addresses {
  const records = createOwnRecords(inputs().self.host);
  const stocks = new Map<string, Stock>();
  const claiming = createClaiming({ client, inputs, records, stockOf });
  /** Records to look at, those that wait for a change to their network, and those being worked on. */
  const dirty = new Set<string>();
  const idle = new Map<string, Set<string>>();
  const running = new Set<string>();
  const timers = new Set<NodeJS.Timeout>();
  const troubles = new Map<string, Skip>();
  let started = false;
  let stopped = false;
  let failures = 0;

  function stockOf(net: string): Stock {
    const found = stocks.get(net);
    if (found) return found;
    const stock = createStock({ client, net, inputs, loaded: (claims) => disown(net, claims) });
    stocks.set(net, stock);
    return stock;
  }

  /** Claims of this host's that no record of it backs: it was stopped before it released them. */
  function disown(net: string, claims: Iterable<KnownClaim>): void {
    const { host } = inputs().self;
    for (const { ip, claim } of claims) {
      if (claim?.state !== "held" || claim.owner.host !== host || claim.owner.container === undefined) continue;
      const id = claim.owner.container;
      const key = `keyspaces/${net}/containers/${host}/${id}`;
      if (records.get(key)?.ip === ip) continue;
      records.depart({ key, net, id, ip, sequence: claim.sequence });
      dirty.add(key);
    }
    pump();
  }

  function pump(): void {
    if (!started || stopped || !mayWrite()) return;
    for (const key of dirty) {
      if (running.size >= mostAtOnce) return;
      if (running.has(key)) continue;
      dirty.delete(key);
      running.add(key);
      void work(key);
    }
  }

  async function work(key: string): Promise<void> {
    try {
      await settle(key);
      failures = 0;
    } catch (cause) {
      const message = `Cannot settle the address of ${key}: ${cause instanceof Error ? cause.message : String(cause)}`;
      if (failures++ === 0 && !stopped) tell({ type: "warned", code: "ADDRESSES", message });
      later(key, Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2));
    }
    running.delete(key);
    pump();
  }

  /** Whatever there is to do about one record. One at a time a record, so that a release never meets an allocation. */
  async function settle(key: string): Promise<void> {
    for (const gone of records.departed(key)) {
      if ((await claiming.release(gone)) === "done") records.released(gone);
      else dirty.add(key);
    }
    const record = records.get(key);
    if (record === undefined) {
      troubles.delete(key);
      return;
    }
    if (!isOpen(record.net)) {
      wait(record.net, key);
      return;
    }
    await stockOf(record.net).load();
    const current = records.get(key);
    if (current === undefined) return;
    const outcome = await (current.ip === undefined ? claiming.allocate(current) : claiming.claim(current));
    follow(key, current.net, outcome);
  }

  function follow(key: string, net: string, outcome: Outcome): void {
    if (outcome !== "full") troubles.delete(key);
    switch (outcome) {
      case "done":
        return;
      case "again":
        dirty.add(key);
        return;
      case "later":
        later(key, firstRetryMs * Math.random());
        return;
      case "contested":
        wait(net, key);
        return;
      case "full":
        complain(key, net);
        later(key, fullMs);
    }
  }

  function complain(key: string, net: string): void {
    if (troubles.has(key)) return;
    const cidr = inputs().world.networks.get(net)?.value.cidr;
    const reason = `${cidr} of network ${net} has no free address left`;
    const skip: Skip = { key: key as RecordKey, code: "NETWORK_FULL", reason };
    troubles.set(key, skip);
    tell({ type: "skipped", key: skip.key, skip });
  }

  /** Whether addresses of the network are this host's to give. */
  function isOpen(net: string): boolean {
    const { world, self } = inputs();
    return (
      world.networks.has(net) &&
      (world.keyspaces.get(net)?.members.has(self.host) ?? false) &&
      refusal(net, { world, self }) === undefined
    );
  }

  /** By the world, not by what was written: rows follow from the world. */
  function pending(net: string): boolean {
    const { world, self } = inputs();
    const own = world.keyspaces.get(net)?.containers.get(self.host)?.values() ?? [];
    for (const { key, value } of own)
      if (value.ip === undefined && !troubles.has(key))
        return world.networks.has(net) && refusal(net, { world, self }) === undefined;
    return false;
  }

  function wait(net: string, key: string): void {
    const waiting = idle.get(net) ?? new Set();
    idle.set(net, waiting.add(key));
  }

  /**
   * While this host is no member there is nothing to do for any of them, and a thousand that wait are not looked at again
   * for each thing that happens to the network.
   */
  function revive(net: string): void {
    const waiting = idle.get(net);
    if (waiting === undefined || !isOpen(net)) return;
    for (const key of waiting) dirty.add(key);
    idle.delete(net);
  }

  function later(key: string, ms: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      dirty.add(key);
      pump();
    }, ms);
    timers.add(timer.unref());
  }

  return {
    take(events) {
      for (const event of events) {
        const key = records.take(event);
        if (key !== undefined) dirty.add(key);
        if ((event.type === "put" || event.type === "delete") && isBlock(event.key))
          stockAt(event.key)?.compareBlocks();
        if (event.type === "doubt") for (const stock of stocks.values()) stock.doubt();
      }
      pump();
    },
    start() {
      started = true;
      // Before the first container asks: then its allocation is one transaction.
      for (const net of inputs().world.memberships.get(inputs().self.host) ?? []) warm(net);
      pump();
    },
    review(nets) {
      for (const net of nets) {
        revive(net);
        if (!inputs().world.keyspaces.has(net)) forget(net);
      }
      pump();
    },
    pending,
    troubles: (net) => [...troubles.values()].filter(({ key }) => key.startsWith(`keyspaces/${net}/`)),
    stop() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };

  function warm(net: string): void {
    stockOf(net)
      .load()
      .catch(() => undefined); // what needs it loads it again, and tells
  }

  function stockAt(key: string): Stock | undefined {
    return stocks.get(key.split("/")[1] as string);
  }

  function forget(net: string): void {
    records.forget(net);
    stocks.delete(net);
    idle.delete(net);
  }
}

function isBlock(key: string): boolean {
  return key.includes("/blocks/");
}
