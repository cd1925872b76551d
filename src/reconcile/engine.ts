import type { Row, Scope } from "../desired/rows.ts";
import type { Clock } from "./clock.ts";
import type { Cause, EngineEvent } from "./event.ts";
import type { Drivers, Failure, Observed } from "./kind.ts";

/** Names one derivation unit: `network blue`, `peer blue h2`, `endpoint blue h1/mongo`, `uplink blue`. Second word: the network. */
export type UnitId = `${string} ${string}`;

/** One operation the engine would do now, or holds back. */
export interface Planned {
  verb: "add" | "replace" | "remove";
  row: Row | Observed;
  was?: Observed["value"];
  /** Why it is not done yet, where something holds it: the brake, a back-off. */
  held?: string;
}

export interface FailedRow {
  row: Row | Observed;
  units: readonly UnitId[];
  failure: Failure;
  attempt: number;
  /** performance.now() of the next try. */
  retryAt: number;
}

/** What this host's kernel must hold, made so and kept so. */
export interface Engine {
  /** The whole wish of one unit, replacing what it wished before; an empty list ends the unit. Cheap: O(rows of the unit). */
  wish(unit: UnitId, rows: readonly Row[], cause: Cause): void;
  /** Lists the kernel and follows it without writing, so that `plan` is true: a dry run. May be repeated, or `start`ed. */
  observe(scopes: readonly Scope[]): Promise<void>;
  /**
   * The world is complete: list every kind in these scopes, and elsewhere the kinds wished there; adopt what is right,
   * then converge and stay. No write comes before. Resolves when settled for the first time.
   */
  start(scopes: readonly Scope[]): Promise<void>;
  /**
   * Says that the next wishes may have lost records without their deletion having been seen (a relist). Where they would
   * remove at least ten rows and more than half of all, that waits for `release`, or until they are wished again. Ends
   * with the first wishes that would not, or after a minute without any. A start is in doubt by itself.
   */
  doubt(why: string): void;
  /** Whether more of the world is still to come, so that removals in doubt cannot be judged yet: all wait until it is there. */
  partial(isPartial: boolean): void;
  /** What the brake holds back of how many rows, and why; undefined while it holds nothing. */
  braked(): { removals: number; rows: number; why: string } | undefined;
  /** Does what the brake holds back; answers how many removals that is. */
  release(): number;
  plan(): Planned[];
  /** Every wished row, with its units. */
  rows(): Iterable<{ row: Row; units: readonly UnitId[] }>;
  failures(): readonly FailedRow[];
  /** Resolves when nothing is dirty: every wish is applied, failed with a retry set, or held. */
  settled(): Promise<void>;
  /**
   * Removes every row of ours from the host, in order, then stops: `skein leave`. Wishes that still come are not heard;
   * `failures` has what would not go.
   */
  clear(): Promise<void>;
  /** Ends loops and timers; rows stay. */
  stop(): Promise<void>;
}

export interface EngineOptions {
  drivers: Drivers;
  /** Every event goes to this one function. */
  tell(event: EngineEvent): void;
  clock?: Clock;
  /** For jitter: 0 <= x < 1. */
  random?: () => number;
  /** Fewer removals than this are never held by the brake. Default 10. */
  brakeFloor?: number;
  /** Every scope is listed once in this many ms, for what no notice told of. Default 60,000; Infinity for never. */
  sweepMs?: number;
  /** How long one driver may take before all others go on without it. Default 5,000. */
  patienceMs?: number;
}
