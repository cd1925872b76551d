import type { Revision } from "../model/revision.ts";
import type { FailureCode } from "./failure.ts";

/**
 * What a list-watch tells. Batches come as etcd sent them: a page of a list, or all events of one answer, so that a
 * transaction is never seen in halves. Keys go without the installation's prefix.
 *
 * `value` is a view into the answer it came in: keep what was decoded from it, not the view, or the whole answer stays.
 */
export type StoreEvent =
  /** `list`: keys not yet told may still hold older revisions, until `synced`. */
  | { type: "put"; key: string; value: Buffer; revision: Revision; created: Revision; via: "list" | "watch" }
  /** `relist`: the deletion itself was never seen; `revision` is then that of the list the key is missing from. */
  | { type: "delete"; key: string; revision: Revision; via: "watch" | "relist" }
  /** The whole keyspace has been told, as of `revision`: `total` keys, after `vanished` deletes `via: "relist"`. */
  | { type: "synced"; revision: Revision; total: number; vanished: number }
  /**
   * Everything up to `revision` has been told. Not `sure` when it answers our asking: etcd before 3.4.25 and 3.5.8 lets
   * that answer overtake events (etcd issue 15220; on 3.4.23 it overtook 692 of 10,000). To be sure there, write a key below
   * the prefix and wait for it.
   */
  | { type: "progress"; revision: Revision; sure: boolean }
  /** What was told is as of `since` (ms since the epoch) and may have changed; told again when `why` changes. */
  | { type: "stale"; since: number; code: FailureCode; why: string }
  /** The watch stands; what was missed follows. */
  | { type: "fresh" }
  /** etcd's history is another than the one told so far: a relist follows, and what vanishes in it was perhaps never meant to. */
  | { type: "doubt"; why: string };
