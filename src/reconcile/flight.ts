import { distrustInside, undone } from "./drift.ts";
import type { Cause } from "./event.ts";
import { fail, wakeDependents, wakeStirred } from "./failing.ts";
import type { Failure, Operation } from "./kind.ts";
import { insideOf, opens, ranks } from "./order.ts";
import { patiently, type State, unpark } from "./state.ts";
import { type Entry, fulfils, isRight, type Partition, type Value } from "./table.ts";

/** One row's operation, with what set it off when it was handed over. */
export interface Errand {
  entry: Entry;
  operation: Operation;
  cause: Cause;
}

/** What a driver takes at once. */
export interface Batch {
  partition: Partition;
  errands: Errand[];
  state: "underway" | "late" | "landed";
}

/**
 * Hands the batches to their drivers side by side and waits for all, within patience. A scope whose driver takes longer
 * is left alone until it answers: without this, one hung call would hold up every other network of the host.
 */
export async function fly(state: State, batches: Batch[]): Promise<void> {
  const begun = state.clock.now();
  for (const scope of state.stirred) if (!state.stalled.has(scope)) state.stirred.delete(scope);
  for (const batch of batches) takeOff(state, batch);
  const carried = batches.map((batch) => ({ batch, answers: ask(batch) }));
  const lines = [...Map.groupBy(carried, ({ batch }) => batch.partition.scope).values()];
  const isDone = await patiently(state, Promise.all(lines.map((line) => landAll(state, line))));
  state.upheavals.clear();
  if (isDone || state.mode === "stopped") return;
  for (const batch of batches) {
    if (batch.state !== "underway") continue;
    batch.state = "late";
    const { kind, scope } = batch.partition;
    const rows = batch.errands.length;
    state.stalled.set(scope, (state.stalled.get(scope) ?? 0) + rows);
    state.tell({ type: "stalled", kind, scope, rows, ms: state.clock.now() - begun });
  }
}

/** What is written counts as found from here on, so that its echo is no news. */
function takeOff(state: State, { errands, partition }: Batch): void {
  for (const { entry, operation, cause } of errands) {
    if (ranks[partition.kind] <= ranks.link && operation.verb !== "add")
      for (const scope of opens(entry)) state.upheavals.set(scope, cause);
    entry.flight = "flying";
    state.table.find(entry, outcome(operation));
  }
}

/** In order, so that who failed for want of another is not taken for one that may be tried again, now that it is there. */
async function landAll(state: State, line: { batch: Batch; answers: Promise<(Failure | undefined)[]> }[]) {
  for (const { batch, answers } of line) carry(state, batch, await answers);
}

function carry(state: State, batch: Batch, answers: (Failure | undefined)[]): void {
  batch.errands.forEach((errand, index) => {
    const failure = answers[index];
    if (failure) failed(state, errand, failure);
    else done(state, errand);
  });
  const { scope } = batch.partition;
  if (batch.state === "late") {
    const rows = (state.stalled.get(scope) ?? 0) - batch.errands.length;
    if (rows > 0) state.stalled.set(scope, rows);
    else state.stalled.delete(scope);
    if (rows <= 0) for (const partition of state.table.partitions(scope)) unpark(state, partition);
    state.wake();
  }
  batch.state = "landed";
}

/** A driver that breaks its contract fails its whole batch, and stops nothing else. */
async function ask({ partition: { driver, scope }, errands }: Batch): Promise<(Failure | undefined)[]> {
  const operations = errands.map(({ operation }) => operation);
  try {
    const answers = await driver.apply(scope, operations);
    if (answers.length === operations.length) return answers;
    throw new Error(`Cannot apply batch: expected ${operations.length} answers, got ${answers.length}`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return operations.map(() => ({ code: "DRIVER_FAILED", message, next: "retry" }));
  }
}

function done(state: State, { entry, operation, cause }: Errand): void {
  const { clock, series, table, tell, troubles } = state;
  const isDisturbed = land(entry) && !holds(entry, outcome(operation));
  troubles.clear(entry);
  if (series) series.writes++;
  const ms = clock.now() - cause.at;
  const { verb } = operation;
  if (verb === "remove") tell({ type: "removed", row: operation.row, cause, ms });
  else {
    const row = operation.row as Extract<typeof entry.wish, object>;
    if (entry.drifted) tell({ type: "repaired", row, cause, ms });
    else if (verb === "add") tell({ type: "added", row, cause, ms });
    else tell({ type: "replaced", row, was: operation.was, cause, ms });
  }
  entry.drifted = false;
  if (verb === "remove" && entry.partition.kind === "namespace") distrustInside(state, entry, cause);
  if (isDisturbed && !isRight(entry) && !table.dirty.has(entry)) undone(state, entry);
  if (verb !== "remove") wakeDependents(state, entry);
  table.forget(entry);
}

function failed(state: State, { entry, operation, cause }: Errand, failure: Failure): void {
  const { table, troubles } = state;
  if (!land(entry)) table.find(entry, origin(operation));
  if (operation.verb === "remove" && entry.partition.kind === "namespace") {
    // What went without saying with the namespace must now go one by one.
    for (const { entries } of table.partitions(insideOf(entry.key)))
      for (const inside of entries.values()) table.dirty.add(inside);
  }
  if (isRight(entry)) {
    troubles.clear(entry);
    table.forget(entry);
  } else if (!table.dirty.has(entry)) {
    fail(state, entry, failure, cause);
    wakeStirred(state, entry);
  }
  // Dirty already: another wish came meanwhile, and this one's failure is of no interest.
}

/** Whether a notice came while the operation was under way: then `found` is the notice's, and newer. */
function land(entry: Entry): boolean {
  const isNoticed = entry.flight === "noticed";
  entry.flight = "none";
  return isNoticed;
}

function holds({ partition, found }: Entry, value: Value | undefined): boolean {
  if (value === undefined || found === undefined) return value === found;
  return fulfils(partition, value, found);
}

function outcome(operation: Operation): Value | undefined {
  return operation.verb === "remove" ? undefined : operation.row.value;
}

function origin(operation: Operation): Value | undefined {
  if (operation.verb === "add") return undefined;
  return operation.verb === "replace" ? operation.was : operation.row.value;
}
