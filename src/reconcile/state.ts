import type { Scope } from "../desired/rows.ts";
import type { Brake } from "./brake.ts";
import type { Clock } from "./clock.ts";
import type { Contests } from "./contests.ts";
import type { Cause, EngineEvent } from "./event.ts";
import type { Partition, Table } from "./table.ts";
import type { Troubles } from "./troubles.ts";
import type { Wishes } from "./wishes.ts";

/** What the rounds of one engine read and change. */
export interface State {
  readonly table: Table;
  readonly wishes: Wishes;
  readonly troubles: Troubles;
  readonly contests: Contests;
  readonly brake: Brake;
  readonly clock: Clock;
  readonly random: () => number;
  readonly patienceMs: number;
  tell(event: EngineEvent): void;
  /** There may be work. */
  wake(): void;
  mode: "waiting" | "observing" | "converging" | "stopped";
  /** Scopes whose driver has not answered in time, and how many rows are under way there. */
  readonly stalled: Map<Scope, number>;
  /** Lists that failed. */
  readonly unlisted: Map<Partition, { attempt: number; cancel: () => void }>;
  /** Scopes in which we take links away or change them just now: what the kernel drops with them is no drift. */
  readonly upheavals: Map<Scope, Cause>;
  /** Scopes of which all is to be listed anew, since the last batches took off. */
  readonly stirred: Set<Scope>;
  /** Ends the wait for drivers at once. */
  giveUp: (() => void) | undefined;
  /** The rounds since the last `converged`; `isNews` when they did something. */
  series: { begun: number; writes: number; isNews: boolean } | undefined;
}

/** Whether the work was done in time; it goes on where it was not. Rejects as the work does. */
export function patiently(state: State, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = state.clock.later(state.patienceMs, () => resolve(false));
    state.giveUp = () => {
      cancel();
      resolve(false);
    };
    work.then(() => resolve(true), reject).finally(cancel);
  });
}

/** Whether rows of the partition may be written now; if not, all its rows are looked at again once they may. */
export function isOpen(state: State, partition: Partition): boolean {
  if (partition.list.state === "done" && !state.stalled.has(partition.scope)) return true;
  partition.parked = true;
  return false;
}

/** Looks again at what was passed over while the partition was not open. */
export function unpark(state: State, partition: Partition): void {
  if (!partition.parked) return;
  partition.parked = false;
  for (const entry of partition.entries.values()) state.table.dirty.add(entry);
}

/** A partition that must be listed and can be. */
export function isListable(state: State, partition: Partition): boolean {
  return partition.list.state !== "underway" && !state.stalled.has(partition.scope);
}
