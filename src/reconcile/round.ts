import type { Scope } from "../desired/rows.ts";
import { fail } from "./failing.ts";
import { type Batch, type Errand, fly } from "./flight.ts";
import type { Operation } from "./kind.ts";
import { look } from "./listing.ts";
import { insideOf, turnsOf } from "./order.ts";
import { isListable, isOpen, type State } from "./state.ts";
import { type Entry, isRight, observed } from "./table.ts";
import { unitsOf, wishedRow } from "./wishes.ts";

type Direction = "make" | "break";

/** Whether a round would find anything to do. */
export function hasWork(state: State): boolean {
  if (state.mode === "waiting" || state.mode === "stopped") return false;
  if (state.mode === "converging" && state.table.dirty.size > 0) return true;
  for (const partition of state.table.stale.keys()) if (isListable(state, partition)) return true;
  return false;
}

/** Looks where it must, then makes, then breaks; what happens meanwhile is the next round's. */
export async function round(state: State): Promise<void> {
  const { brake, clock, table } = state;
  state.series ??= { begun: clock.now(), writes: 0, isNews: false };
  await look(state);
  if (state.mode !== "converging") return;
  const dirty = [...table.dirty];
  table.dirty.clear();
  if (dirty.length > 0) state.series.isNews = true;
  const due = dirty.filter((entry) => isDue(state, entry));
  const makes = due.filter(({ wish }) => wish);
  for (const entry of makes) brake.held.delete(entry);
  const removals = due.filter(({ wish }) => !wish);
  await walk(state, makes, "make");
  const passed = brake.pass(removals, table.found);
  await walk(state, withoutDoomed(passed), "break");
  for (const entry of passed) if (entry.partition.kind === "namespace") spare(state, entry);
  if (!hasWork(state)) converged(state);
}

function isDue(state: State, entry: Entry): boolean {
  if (!isOpen(state, entry.partition)) return false;
  if (!isRight(entry)) return !state.troubles.holds(entry);
  state.troubles.clear(entry);
  state.brake.held.delete(entry);
  entry.drifted = false;
  state.table.forget(entry);
  return false;
}

/** Rows in a namespace that goes too need not go one by one; but links do, since the kernel takes its time over them. */
function withoutDoomed(removals: Entry[]): Entry[] {
  const doomed = new Set<Scope>();
  for (const { partition, key } of removals) if (partition.kind === "namespace") doomed.add(insideOf(key));
  if (doomed.size === 0) return removals;
  return removals.filter(({ partition: { kind, scope } }) => kind === "link" || !doomed.has(scope));
}

/** A namespace that was wished again before its turn is still there: what was to go with it must now go one by one. */
function spare({ table }: State, namespace: Entry): void {
  if (namespace.found === undefined) return;
  for (const { entries } of table.partitions(insideOf(namespace.key)))
    for (const inside of entries.values()) if (!isRight(inside)) table.dirty.add(inside);
}

async function walk(state: State, entries: Entry[], direction: Direction): Promise<void> {
  const sign = direction === "make" ? 1 : -1;
  for (const steps of turnsOf(entries, sign)) {
    if (state.mode === "stopped") return;
    const batches = steps.flatMap((step) => batchesOf(state, step, direction));
    if (batches.length > 0) await fly(state, batches);
  }
}

/** One batch a scope, of what is still to be done now that the step is reached. */
function batchesOf(state: State, step: Entry[], direction: Direction): Batch[] {
  const batches = new Map<Entry["partition"], Errand[]>();
  for (const entry of step) {
    const { partition, cause } = entry;
    if (!isOpen(state, partition) || entry.flight !== "none" || isRight(entry)) continue;
    const operation = direction === "make" ? make(state, entry) : dismantle(entry);
    if (!operation) continue;
    const errands = batches.get(partition);
    if (errands) errands.push({ entry, operation, cause });
    else batches.set(partition, [{ entry, operation, cause }]);
  }
  return [...batches].map(([partition, errands]) => ({ partition, errands, state: "underway" }));
}

function make(state: State, entry: Entry): Operation | undefined {
  const row = wishedRow(entry);
  if (row === undefined) return undefined;
  if (entry.found !== undefined) return { verb: "replace", row, was: entry.found };
  const guard = entry.partition.kind === "link" ? missingGuard(state, entry) : undefined;
  if (guard === undefined) return { verb: "add", row };
  const message = `Cannot add link ${entry.key}: expected its guard first, got no ${guard.key} in ${guard.partition.scope}`;
  fail(state, entry, { code: "UNGUARDED", message, next: "wait" }, entry.cause);
  return undefined;
}

/** A link must not come up before the guard rows that its units wish: for want of a drop rule it would let things pass. */
function missingGuard(state: State, link: Entry): Entry | undefined {
  for (const unit of unitsOf(link)) {
    const guard = state.wishes.of(unit).find((entry) => entry.partition.kind === "guard" && !isRight(entry));
    if (guard) return guard;
  }
  return undefined;
}

function dismantle(entry: Entry): Operation | undefined {
  if (entry.wish !== undefined || entry.found === undefined) return undefined;
  return { verb: "remove", row: observed(entry, entry.found) };
}

function converged(state: State): void {
  const { clock, series, stalled, table, tell, troubles } = state;
  state.series = undefined;
  if (!series?.isNews) return;
  const waiting = troubles.size + [...stalled.values()].reduce((sum, rows) => sum + rows, 0);
  tell({ type: "converged", rows: table.found, waiting, writes: series.writes, ms: clock.now() - series.begun });
}
