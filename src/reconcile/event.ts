import type { Kind, Row, Scope } from "../desired/rows.ts";
import type { RecordKey } from "../model/keys.ts";
import type { UnitId } from "./engine.ts";
import type { Failure, Observed } from "./kind.ts";

/** What set a change off: a record at a revision, the start of the agent, drift that somebody else made, `skein leave`. */
export interface Cause {
  key: RecordKey | "start" | "drift" | "release" | "leave";
  /** etcd's revision in decimal; absent where no record caused it. */
  revision?: string;
  /** performance.now() when this agent learned of it. */
  at: number;
}

/** One thing that happened to one row. `ms` counts from the moment this agent learned of the cause. */
export type RowEvent =
  | { type: "added" | "repaired"; row: Row; cause: Cause; ms: number }
  | { type: "replaced"; row: Row; was: Observed["value"]; cause: Cause; ms: number }
  | { type: "removed"; row: Observed; cause: Cause; ms: number }
  | { type: "failed"; row: Row | Observed; failure: Failure; attempt: number; retryMs: number; cause: Cause };

/** Everything the engine tells; subscribers are the log, the event stream, metrics and status. */
export type EngineEvent =
  | RowEvent
  /** Somebody else removed or changed a row of ours; `repaired` follows. */
  | { type: "drifted"; row: Row; found: Observed["value"] | undefined }
  /** Two units wish different values of one row; the first by name has its way. */
  | { type: "conflicted"; row: Row; units: readonly UnitId[] }
  | { type: "braked"; removals: number; rows: number; why: string }
  | { type: "released"; removals: number }
  | { type: "relisted"; why: string; scope: string; rows: number; ms: number }
  /** A driver could not list: rows of this kind in this scope are left alone until it can. */
  | { type: "unlisted"; kind: Kind; scope: Scope; message: string; attempt: number; retryMs: number }
  /** A driver does not answer: the scope is left alone until it does, all others go on. */
  | { type: "stalled"; kind: Kind; scope: Scope; rows: number; ms: number }
  /**
   * Rounds ended and nothing is dirty; `rows` are ours in the kernel, `waiting` ones failed and will be tried again,
   * `writes` went through.
   */
  | { type: "converged"; rows: number; waiting: number; writes: number; ms: number };
