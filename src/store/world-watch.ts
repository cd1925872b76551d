import { Observable, type Subscription } from "rxjs";
import { laterOf, type Revision } from "../model/revision.ts";
import type { Client } from "./client.ts";
import type { StoreEvent } from "./event.ts";
import { listWatch } from "./list-watch.ts";

/** Everything below one prefix, as `networks/`, `hosts/`, `keyspaces/blue/`. */
export type Area = `${string}/`;

export interface Batch {
  area: Area;
  events: readonly StoreEvent[];
}

/** How one area stands. */
export interface AreaState {
  /** Everything up to here has been told; `0` before the first complete list. */
  observed: Revision;
  synced: boolean;
  /** Milliseconds of the Unix epoch; absent while the watch stands. */
  staleSince?: number;
  why?: string;
}

/**
 * The watches that make up a host's world: networks and hosts always, a keyspace for each network followed. Each keyspace
 * is watched on its own, so that it can be granted on its own, and so that what another network does costs nothing here.
 */
export interface WorldWatch {
  /** For one subscriber, who is told first what came before. */
  readonly batches$: Observable<Batch>;
  readonly areas: ReadonlyMap<Area, AreaState>;
  follow(net: string): void;
  unfollow(net: string): void;
}

/** Begins at once, so that etcd lists while the kernel is being opened. */
export function watchWorld(client: Client): WorldWatch {
  const areas = new Map<Area, AreaState>();
  const subscriptions = new Map<Area, Subscription>();
  const early: Batch[] = [];
  let deliver: ((batch: Batch) => void) | undefined;
  open("networks/");
  open("hosts/");

  function open(area: Area): void {
    if (subscriptions.has(area)) return;
    areas.set(area, { observed: "0" as Revision, synced: false });
    subscriptions.set(
      area,
      listWatch(client, area).subscribe((events) => take({ area, events })),
    );
  }

  /** An area is as far as what was delivered of it. */
  function take(batch: Batch): void {
    if (deliver === undefined) {
      early.push(batch);
      return;
    }
    const state = areas.get(batch.area);
    if (state) areas.set(batch.area, batch.events.reduce(advance, state));
    deliver(batch);
  }

  function close(area: Area): void {
    subscriptions.get(area)?.unsubscribe();
    subscriptions.delete(area);
    areas.delete(area);
  }

  return {
    areas,
    follow: (net) => open(`keyspaces/${net}/`),
    unfollow: (net) => close(`keyspaces/${net}/`),
    batches$: new Observable<Batch>((subscriber) => {
      deliver = (batch) => subscriber.next(batch);
      for (const batch of early.splice(0)) take(batch);
      return () => {
        deliver = undefined;
        for (const area of [...subscriptions.keys()]) close(area);
      };
    }),
  };
}

function advance(state: AreaState, event: StoreEvent): AreaState {
  switch (event.type) {
    case "put":
    case "delete":
      // While a list is under way, the first or a later one, a revision says nothing about the keys not yet told.
      return state.synced && event.via === "watch"
        ? { ...state, observed: laterOf(state.observed, event.revision) }
        : state;
    case "synced":
      return { observed: event.revision, synced: true };
    case "progress":
      return event.sure ? { ...state, observed: laterOf(state.observed, event.revision) } : state;
    case "stale":
      return { ...state, staleSince: event.since, why: event.why };
    case "fresh":
      return { observed: state.observed, synced: state.synced };
    case "doubt":
      return state;
  }
}

/** Since when, in milliseconds of the epoch, and why what is known of the world is not what etcd has now; empty while it is. */
export function stalenessOf(areas: Iterable<AreaState>): { staleSince?: number; why?: string } {
  const stale = [...areas].filter((state) => state.staleSince !== undefined);
  const [first] = stale.sort((a, b) => (a.staleSince ?? 0) - (b.staleSince ?? 0));
  return first?.staleSince === undefined ? {} : { staleSince: first.staleSince, why: first.why ?? "" };
}
