import type { Scope } from "../desired/rows.ts";
import { leastPause } from "./backoff.ts";
import type { Cause } from "./event.ts";
import type { Failure } from "./kind.ts";
import { comesAfter, opens } from "./order.ts";
import type { State } from "./state.ts";
import { type Entry, observed, type Value } from "./table.ts";
import type { Pacing, Trouble } from "./troubles.ts";
import { unitsOf, wishedRow } from "./wishes.ts";

/** The code of a row that somebody else keeps changing: it is tried again by the clock alone. */
export const contested = "CONTESTED";

/** Sets a row's next try, by the back-off where nothing else is said, and tells it where that is news. */
export function fail(state: State, entry: Entry, failure: Failure, cause: Cause, set?: Pacing): void {
  const { trouble, retryMs, isNews } = state.troubles.add(entry, failure, set);
  if (!isNews) return;
  const row = wishedRow(entry) ?? observed(entry, entry.found as Value);
  state.tell({ type: "failed", row, failure, attempt: trouble.attempt, retryMs, cause });
}

/**
 * Something happened in the scope: rows that wait for an event may go through now, with what their units wish
 * elsewhere (a pair's near end fails for want of the scope that its far end goes to).
 */
export function wakeWaiting(state: State, scope: Scope): void {
  if (state.troubles.size === 0) return;
  for (const [entry, trouble] of state.troubles.in(scope)) {
    if (trouble.failure.next !== "wait") continue;
    state.troubles.wake(entry, trouble);
    wakeUnits(state, entry, (other) => other.failure.next === "wait");
  }
}

/** Scopes were to be listed anew while the row was tried: what it waits for may have come before its answer did. */
export function wakeStirred({ stirred, troubles, wishes }: State, entry: Entry): void {
  const trouble = stirred.size > 0 ? troubles.get(entry) : undefined;
  if (trouble?.failure.next !== "wait") return;
  const isStirred = ({ partition }: Entry) => stirred.has(partition.scope);
  // Not at once: what is tried may be what stirs.
  if (isStirred(entry) || unitsOf(entry).some((unit) => wishes.of(unit).some(isStirred)))
    troubles.wake(entry, trouble, leastPause);
}

/** The row is there: what comes after it in its scope, or in its units, may have failed for want of it. */
export function wakeDependents(state: State, entry: Entry): void {
  if (state.troubles.size === 0) return;
  const depends = (trouble: Trouble, other: Entry) => comesAfter(other, entry) && trouble.failure.code !== contested;
  for (const scope of opens(entry))
    for (const [other, trouble] of state.troubles.in(scope))
      if (depends(trouble, other)) state.troubles.wake(other, trouble);
  wakeUnits(state, entry, depends);
}

function wakeUnits(state: State, entry: Entry, wakes: (trouble: Trouble, other: Entry) => boolean): void {
  for (const unit of unitsOf(entry))
    for (const other of state.wishes.of(unit)) {
      const trouble = state.troubles.get(other);
      if (trouble && wakes(trouble, other)) state.troubles.wake(other, trouble);
    }
}
