import type { Row } from "../desired/rows.ts";
import type { RecordKey } from "../model/keys.ts";
import type { UnitId } from "./engine.ts";
import type { Cause, EngineEvent } from "./event.ts";
import { same } from "./same.ts";
import type { Entry, Table } from "./table.ts";

/** Which unit wishes which rows. Where several wish one row, the first by name has its way and all are its reason. */
export class Wishes {
  readonly #table: Table;
  readonly #tell: (event: EngineEvent) => void;
  readonly #units = new Map<UnitId, Entry[]>();

  constructor(table: Table, tell: (event: EngineEvent) => void) {
    this.#table = table;
    this.#tell = tell;
  }

  /** Replaces what the unit wished; answers the rows whose wish is another now. O(rows of the unit). */
  set(unit: UnitId, rows: readonly Row[], cause: Cause): Entry[] {
    const sweep = this.#table.nextSweep();
    const changed: Entry[] = [];
    const entries: Entry[] = [];
    for (const row of rows) {
      const entry = this.#table.entry(this.#table.partition(row.kind, row.scope), row.key, cause);
      // A unit that says a row twice means the first.
      if (entry.sweep === sweep) continue;
      entry.sweep = sweep;
      entry.cause = cause;
      entries.push(entry);
      if (this.#join(entry, unit, row)) changed.push(entry);
    }
    for (const entry of this.#units.get(unit) ?? []) {
      if (entry.sweep === sweep) continue;
      entry.cause = cause;
      if (leave(entry, unit)) changed.push(entry);
    }
    if (entries.length > 0) this.#units.set(unit, entries);
    else this.#units.delete(unit);
    return changed;
  }

  units(): UnitId[] {
    return [...this.#units.keys()];
  }

  of(unit: UnitId): readonly Entry[] {
    return this.#units.get(unit) ?? [];
  }

  #join(entry: Entry, unit: UnitId, row: Row): boolean {
    const before = entry.wish;
    const { units } = entry;
    if (before === undefined || units === undefined || units === unit) {
      entry.units = unit;
      entry.wish = row;
    } else {
      const wishers = units instanceof Map ? units : new Map([[units, before]]);
      const said = wishers.get(unit);
      wishers.set(unit, row);
      entry.units = wishers;
      entry.wish = firstOf(wishers);
      if (!same(said?.value, row.value)) this.#tellConflict(wishers, unit, row);
    }
    return !same(before?.value, entry.wish.value);
  }

  #tellConflict(wishers: Map<UnitId, Row>, unit: UnitId, row: Row): void {
    const [other] = [...wishers].find(([, wish]) => !same(wish.value, row.value)) ?? [];
    if (other !== undefined) this.#tell({ type: "conflicted", row: firstOf(wishers), units: [unit, other].sort() });
  }
}

function leave(entry: Entry, unit: UnitId): boolean {
  const before = entry.wish;
  if (entry.units instanceof Map) {
    entry.units.delete(unit);
    entry.wish = firstOf(entry.units);
    if (entry.units.size === 1) [entry.units] = entry.units.keys();
  } else {
    entry.units = undefined;
    entry.wish = undefined;
  }
  return !same(before?.value, entry.wish?.value);
}

function firstOf(wishers: Map<UnitId, Row>): Row {
  let first: UnitId | undefined;
  for (const unit of wishers.keys()) if (first === undefined || unit < first) first = unit;
  return wishers.get(first as UnitId) as Row;
}

/** In order of names, so that the answer does not depend on who came first. */
export function unitsOf({ units }: Entry): UnitId[] {
  if (units === undefined) return [];
  return units instanceof Map ? [...units.keys()].sort() : [units];
}

/** The wished row with the reasons of every unit that wishes the same. */
export function wishedRow({ wish, units }: Entry): Row | undefined {
  if (wish === undefined || !(units instanceof Map)) return wish;
  const because = new Set<RecordKey>();
  for (const [, row] of [...units].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (same(row.value, wish.value)) for (const key of row.because) because.add(key);
  return { ...wish, because: [...because] };
}
