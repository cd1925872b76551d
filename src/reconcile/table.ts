import type { Kind, Row, Scope, Values } from "../desired/rows.ts";
import type { UnitId } from "./engine.ts";
import type { Cause } from "./event.ts";
import type { Driver, Drivers, Observed } from "./kind.ts";
import { same } from "./same.ts";

export type Value = Values[Kind];

/** One row, wished or found or both. There may be 100,000: no field that can be had otherwise, no closure. */
export interface Entry {
  readonly partition: Partition;
  readonly key: string;
  /** What the first of its units wishes. */
  wish: Row | undefined;
  /** The unit that wishes it; where several do, what each wishes. */
  units: UnitId | Map<UnitId, Row> | undefined;
  /** What the kernel holds, as far as known; while an operation is under way, what it will hold. */
  found: Value | undefined;
  /** Whether an operation is under way, and a notice came meanwhile. */
  flight: "none" | "flying" | "noticed";
  /** Why the next operation on it happens. */
  cause: Cause;
  /** Somebody else undid it: what mends it is a repair. */
  drifted: boolean;
  /** The last sweep that came by; tells what a sweep has missed without a set of ids. */
  sweep: number;
}

/** The rows of one kind in one scope: what a driver lists, and takes in one batch. */
export interface Partition {
  readonly kind: Kind;
  readonly scope: Scope;
  readonly driver: Driver;
  readonly entries: Map<string, Entry>;
  /** Nothing is written before the first list, nor while one is under way: `heard` are keys with a notice since. */
  list: { state: "never" } | { state: "underway"; heard: Set<string> } | { state: "done" };
  /** Dirty rows were passed over while nothing could be written here; look at all again. */
  parked: boolean;
}

/** Why a partition must be listed; `cause` where we made it necessary ourselves, so that nothing counts as drift. */
export interface Staleness {
  why: string;
  cause?: Cause;
}

/** Desired against observed, and which rows may differ: only those are ever compared. */
export class Table {
  readonly dirty = new Set<Entry>();
  readonly stale = new Map<Partition, Staleness>();
  readonly #drivers: Drivers;
  readonly #scopes = new Map<Scope, Map<Kind, Partition>>();
  #found = 0;
  #sweep = 0;

  constructor(drivers: Drivers) {
    this.#drivers = drivers;
  }

  /** How many rows of ours the kernel holds. */
  get found(): number {
    return this.#found;
  }

  partition(kind: Kind, scope: Scope): Partition {
    const known = this.peek(kind, scope);
    if (known) return known;
    const driver: Driver = this.#drivers[kind];
    const list = { state: "never" } as const;
    const partition: Partition = { kind, scope, driver, entries: new Map(), list, parked: false };
    const kinds = this.#scopes.get(scope) ?? new Map<Kind, Partition>();
    this.#scopes.set(scope, kinds.set(kind, partition));
    this.stale.set(partition, { why: "first wished" });
    return partition;
  }

  peek(kind: Kind, scope: Scope): Partition | undefined {
    return this.#scopes.get(scope)?.get(kind);
  }

  scopes(): Scope[] {
    return [...this.#scopes.keys()];
  }

  partitions(scope: Scope): Iterable<Partition> {
    return this.#scopes.get(scope)?.values() ?? [];
  }

  *entries(): Generator<Entry> {
    for (const kinds of this.#scopes.values())
      for (const partition of kinds.values()) yield* partition.entries.values();
  }

  entry(partition: Partition, key: string, cause: Cause): Entry {
    let entry = partition.entries.get(key);
    if (!entry) {
      entry = {
        partition,
        key,
        wish: undefined,
        units: undefined,
        found: undefined,
        flight: "none",
        cause,
        drifted: false,
        sweep: 0,
      };
      partition.entries.set(key, entry);
    }
    return entry;
  }

  /** Takes note of what the kernel holds. Equal to the wish, it is kept as the wish's own object, to hold 100,000 once. */
  find(entry: Entry, value: Value | undefined): void {
    if (entry.found === undefined && value !== undefined) this.#found++;
    if (entry.found !== undefined && value === undefined) this.#found--;
    entry.found = value !== undefined && same(entry.wish?.value, value) ? entry.wish?.value : value;
  }

  nextSweep(): number {
    return ++this.#sweep;
  }

  /** Drops a row that is neither wished nor found, and a scope with its last row: its name may come to mean another. */
  forget(entry: Entry): void {
    if (entry.wish !== undefined || entry.found !== undefined || entry.flight !== "none") return;
    const { partition } = entry;
    this.dirty.delete(entry);
    partition.entries.delete(entry.key);
    if (partition.entries.size > 0) return;
    const kinds = this.#scopes.get(partition.scope);
    if (!kinds || kinds.get(partition.kind) !== partition) return;
    for (const { entries, list } of kinds.values()) if (entries.size > 0 || list.state === "underway") return;
    for (const empty of kinds.values()) this.stale.delete(empty);
    this.#scopes.delete(partition.scope);
  }
}

/** Whether the kernel holds what is wished. */
export function isRight({ wish, found, partition }: Entry): boolean {
  if (wish === undefined || found === undefined) return wish === undefined && found === undefined;
  return fulfils(partition, wish.value, found);
}

export function fulfils({ driver }: Partition, wish: Value, found: Value): boolean {
  if (wish === found) return true;
  return driver.same ? driver.same(wish, found) : same(wish, found);
}

export function observed({ partition: { kind, scope }, key }: Entry, value: Value): Observed {
  return { kind, scope, key, value };
}
