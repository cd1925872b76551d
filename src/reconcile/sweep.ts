import type { Scope } from "../desired/rows.ts";
import type { State } from "./state.ts";

/** Why a scope is listed when nothing in particular asks for it; not worth telling. */
export const routine = "sweep";

/**
 * Lists every scope once in `everyMs`, one after another, for what no notice told of. The answer ends it. An infinite
 * `everyMs` is never.
 */
export function sweep(state: State, everyMs: number): () => void {
  let due: Scope[] = [];
  let cancel = (): void => {};
  if (Number.isFinite(everyMs)) wait();
  return () => cancel();

  function wait(): void {
    cancel = state.clock.later(everyMs / Math.max(1, state.table.scopes().length), next);
  }

  function next(): void {
    const { stale } = state.table;
    if (due.length === 0) due = state.table.scopes();
    const scope = due.pop();
    for (const partition of scope ? state.table.partitions(scope) : [])
      if (!stale.has(partition)) stale.set(partition, { why: routine });
    wait();
    state.wake();
  }
}
