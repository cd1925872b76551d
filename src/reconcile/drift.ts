import type { Scope } from "../desired/rows.ts";
import type { Cause } from "./event.ts";
import { contested, fail, wakeWaiting } from "./failing.ts";
import { type Notice, rowId } from "./kind.ts";
import { insideOf, ranks } from "./order.ts";
import type { State } from "./state.ts";
import { type Entry, fulfils, isRight, observed, type Partition, type Value } from "./table.ts";

/** Takes a driver's notice. An echo of our own finds what we hold for found already, and changes nothing. */
export function take(state: State, notice: Notice): void {
  wakeWaiting(state, learn(state, notice));
  state.wake();
}

function learn(state: State, notice: Notice): Scope {
  const { table } = state;
  switch (notice.type) {
    case "present": {
      const { kind, scope, key, value } = notice.row;
      const partition = table.partition(kind, scope);
      hear(partition, key);
      see(state, table.entry(partition, key, driftNow(state)), value);
      return scope;
    }
    case "absent": {
      const partition = table.peek(notice.kind, notice.scope);
      if (partition) hear(partition, notice.key);
      const entry = partition?.entries.get(notice.key);
      if (entry) see(state, entry, undefined);
      return notice.scope;
    }
    case "relist": {
      state.stirred.add(notice.scope);
      const cause = state.upheavals.get(notice.scope);
      for (const kind of notice.kinds) {
        const partition = table.peek(kind, notice.scope);
        if (partition) table.stale.set(partition, { why: notice.why, ...(cause && { cause }) });
      }
      return notice.scope;
    }
  }
}

function hear({ list }: Partition, key: string): void {
  if (list.state === "underway") list.heard.add(key);
}

/** What the kernel holds of one row, learned by a notice or a list; `ours`: we made it so, by what we did to others. */
export function see(state: State, entry: Entry, value: Value | undefined, ours?: Cause): void {
  const { table } = state;
  const before = entry.found;
  if (entry.flight !== "none") {
    entry.flight = "noticed";
    table.find(entry, value);
    return;
  }
  if (before === value) return;
  table.find(entry, value);
  if (entry.partition.kind === "namespace") distrustInside(state, entry);
  if (entry.wish === undefined) {
    if (value === undefined) vanished(state, entry, before as Value);
    else if (before === undefined) undone(state, entry, ours);
  } else if (isRight(entry)) {
    // Somebody mended it for us: the round forgets that it failed.
    if (state.troubles.get(entry)) table.dirty.add(entry);
  } else if (before !== undefined && fulfils(entry.partition, entry.wish.value, before)) {
    undone(state, entry, ours);
  } else {
    table.dirty.add(entry);
  }
}

/** What was right is not any more, by somebody else's hand unless `ours`. */
export function undone(state: State, entry: Entry, ours?: Cause): void {
  const { clock, contests, table, tell } = state;
  const { kind, scope } = entry.partition;
  // Links answer for themselves: two that upset each other would go round and round without being seen to fight.
  const cause = ranks[kind] > ranks.link ? (ours ?? state.upheavals.get(scope)) : undefined;
  entry.cause = cause ?? driftNow(state);
  if (cause) {
    table.dirty.add(entry);
    return;
  }
  if (entry.wish) {
    entry.drifted = true;
    tell({ type: "drifted", row: entry.wish, found: entry.found });
  }
  const contest = contests.delay(entry, clock.now());
  if (contest.pause === 0) {
    table.dirty.add(entry);
    return;
  }
  const id = rowId({ kind, scope, key: entry.key });
  const message = `Cannot keep ${id}: expected nobody else to change it, got more than 10 changes in 10 s`;
  fail(state, entry, { code: contested, message, next: "retry" }, entry.cause, contest);
}

/** A row that was to be removed went by itself, with what it hung on. */
function vanished(state: State, entry: Entry, before: Value): void {
  const ms = state.clock.now() - entry.cause.at;
  state.tell({ type: "removed", row: observed(entry, before), cause: entry.cause, ms });
  state.brake.held.delete(entry);
  state.troubles.clear(entry);
  state.table.forget(entry);
}

/** A namespace came or went: nothing known of its inside holds. `cause` where it was our doing. */
export function distrustInside(state: State, namespace: Entry, cause?: Cause): void {
  for (const partition of state.table.partitions(insideOf(namespace.key)))
    state.table.stale.set(partition, { why: `namespace ${namespace.key} changed`, ...(cause && { cause }) });
}

function driftNow({ clock }: State): Cause {
  return { key: "drift", at: clock.now() };
}
