import type { Row } from "../desired/rows.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Failure, Observed } from "./kind.ts";

/** What set a change off: a record at a revision, the start of the agent, or drift that somebody else made. */
export interface Cause {
  /** The record's key, or `start`, `drift`, `retry`, `release`. */
  key: RecordKey | "start" | "drift" | "retry" | "release";
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
  | { type: "braked"; removals: number; rows: number; why: string }
  | { type: "released"; removals: number }
  | { type: "relisted"; why: string; scope: string; rows: number; ms: number }
  /** A round ended: nothing is dirty; `waiting` rows have failed and will be tried again. */
  | { type: "converged"; rows: number; waiting: number; writes: number; ms: number };
