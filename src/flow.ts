import type { Declared } from "./desired/declared.ts";
import type { Self, Skip } from "./desired/inputs.ts";
import { networkOf, type UnitId } from "./desired/units.ts";
import { keyOf, type RecordKey } from "./model/keys.ts";
import type { Change } from "./model/world.ts";
import type { Tell } from "./observe/event.ts";
import type { Engine } from "./reconcile/engine.ts";
import type { Cause } from "./reconcile/event.ts";
import type { StoreEvent } from "./store/event.ts";
import type { Batch, WorldWatch } from "./store/world-watch.ts";

export interface FlowOptions {
  declared: Declared;
  engine: Pick<Engine, "wish" | "doubt" | "partial">;
  watch: WorldWatch;
  tell: Tell;
  /** What the world has taken in, before anything is wished for it. */
  folded(changes: readonly Change[]): void;
  /** Networks whose records, or whose rivals' records, changed, and hosts; what follows from them has been wished. */
  changed(nets: ReadonlySet<string>, hosts: ReadonlySet<string>): void;
  /** The world is complete for the first time, and all of it has been wished. */
  complete(): void;
}

/** From what the store tells to what the engine is wished: the one place where the parts of the data flow meet. */
export interface Flow {
  take(batch: Batch): void;
  /** This host's own facts changed: everything is derived again. */
  become(self: Self): void;
  /** How many rows a network comes to on this host. */
  rowsOf(net: string): number;
}

export function createFlow({ declared, engine, watch, tell, folded, changed, complete }: FlowOptions): Flow {
  const { world } = declared;
  const said = new Map<UnitId, Skip>();
  const counts = new Map<UnitId, number>();
  const totals = new Map<string, number>();
  const staleSince = new Map<string, number>();
  let whole = false;
  let partial = false;

  function take({ area, events }: Batch): void {
    const at = performance.now();
    const causes = new Map<UnitId, Cause>();
    const nets = new Set<string>();
    const hosts = new Set<string>();
    const changes: Change[] = [];
    for (const event of events) {
      const change = takeOne(area, event, at, causes);
      if (change) changes.push(change);
      for (const fact of [change?.before, change?.after]) {
        if (fact && "net" in fact.path) nets.add(fact.path.net);
        if (fact?.path.type === "host") hosts.add(fact.path.host);
      }
    }
    for (const net of nets)
      for (const unit of follow(net)) causes.set(unit, { key: keyOf({ type: "network", net }), at });
    if (whole) {
      folded(changes);
      for (const [unit, cause] of causes) wish(unit, cause);
      // A network may be refused for what another's record says, and no longer be when that one goes.
      for (const unit of causes.keys()) if (unit.startsWith("network ")) nets.add(networkOf(unit));
      changed(nets, hosts);
    } else if ([...watch.areas.values()].every((state) => state.synced)) {
      whole = true;
      wishAll({ key: "start", at });
      complete();
    }
    review();
  }

  /** An etcd that lost its data, or was put back to older ones, shows it keyspace by keyspace as each is listed again. */
  function review(): void {
    const was = partial;
    partial = [...watch.areas.values()].some(({ synced, staleSince }) => !synced || staleSince !== undefined);
    if (partial !== was) engine.partial(partial);
  }

  function takeOne(area: string, event: StoreEvent, at: number, causes: Map<UnitId, Cause>): Change | undefined {
    switch (event.type) {
      case "put":
      case "delete": {
        const { units, change, rejected } = declared.take(event);
        if (rejected) tell({ type: "rejected", ...rejected });
        const cause: Cause = { key: event.key as RecordKey, revision: event.revision, at };
        if (whole) for (const unit of units) causes.set(unit, cause);
        return change;
      }
      case "synced":
        if (event.vanished > 0)
          doubt(area, `${event.vanished} records were gone when ${area} was listed again, their deletion unseen`);
        return undefined;
      case "doubt":
        doubt(area, event.why);
        return undefined;
      case "stale":
        staleSince.set(area, event.since);
        tell({ type: "stale", keys: area, since: event.since, why: event.why });
        return undefined;
      case "fresh": {
        const since = staleSince.get(area);
        staleSince.delete(area);
        if (since !== undefined) tell({ type: "fresh", keys: area, staleMs: Date.now() - since });
        return undefined;
      }
      case "progress":
        return undefined;
    }
  }

  function doubt(keys: string, why: string): void {
    tell({ type: "doubt", keys, why });
    engine.doubt(why);
  }

  /**
   * A keyspace is watched while its network stands, and after that until this host is out of it. What was told of one
   * that is watched no more is forgotten, or it would be believed when the network comes back.
   */
  function follow(net: string): Iterable<UnitId> {
    const wanted = world.networks.has(net) || world.memberships.get(declared.self().host)?.has(net);
    if (wanted) watch.follow(net);
    else watch.unfollow(net);
    return wanted ? [] : declared.forget(net);
  }

  function wish(unit: UnitId, cause: Cause): void {
    const { rows, skipped } = declared.derive(unit);
    engine.wish(unit, rows, cause);
    count(unit, rows.length);
    const before = said.get(unit);
    if (skipped) said.set(unit, skipped);
    else if (before) said.delete(unit);
    else return;
    if (skipped?.reason !== before?.reason)
      tell({ type: "skipped", key: (skipped ?? (before as Skip)).key, ...(skipped && { skip: skipped }) });
  }

  function count(unit: UnitId, rows: number): void {
    const before = counts.get(unit) ?? 0;
    if (rows === before) return;
    if (rows === 0) counts.delete(unit);
    else counts.set(unit, rows);
    const net = networkOf(unit);
    totals.set(net, (totals.get(net) ?? 0) + rows - before);
  }

  function wishAll(cause: Cause): void {
    for (const unit of declared.all()) wish(unit, cause);
  }

  return {
    take,
    rowsOf: (net) => totals.get(net) ?? 0,
    become(self) {
      declared.become(self);
      if (!whole) return;
      wishAll({ key: "drift", at: performance.now() });
      changed(new Set(world.networks.keys()), new Set());
    },
  };
}

/** Units of one network. */
export function ofNetwork(net: string): (unit: string) => boolean {
  return (unit) => networkOf(unit as UnitId) === net;
}
