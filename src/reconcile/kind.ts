import type { Observable } from "rxjs";
import type { Kind, Row, RowOf, Scope, Values } from "../desired/rows.ts";

/** A row as the kernel holds it now: no cause, only identity and value. */
export type Observed<K extends Kind = Kind> = Pick<RowOf<K>, "kind" | "scope" | "key" | "value">;

/** One wish of a batch. `replace` carries what is there now, for drivers that must remove before they add. */
export type Operation<K extends Kind = Kind> =
  | { verb: "add"; row: RowOf<K> }
  | { verb: "replace"; row: RowOf<K>; was: Values[K] }
  | { verb: "remove"; row: Observed<K> };

/** Why one operation failed; the others of its batch went on. */
export interface Failure {
  /** The errno's name (`ENODEV`) or a driver's own code (`NETNS_MISSING`). */
  code: string;
  /** For people: what was expected and what was found. */
  message: string;
  /** `retry` with back-off; `wait` for an event that wakes it (a namespace appears), with slow back-off for safety. */
  next: "retry" | "wait";
}

/** What a driver learned without being asked, in the order it happened. */
export type Notice<K extends Kind = Kind> =
  | { type: "present"; row: Observed<K> }
  | { type: "absent"; kind: K; scope: Scope; key: string }
  /** Events were lost, or the kernel removed rows silently: list these kinds in this scope again. */
  | { type: "relist"; scope: Scope; kinds: readonly Kind[]; why: string };

/**
 * The one way the engine touches the world, a driver per kind of row.
 *
 * - `list` gives every object of ours in the scope, as it is now; a scope that does not exist holds nothing. It throws
 *   only where nothing can be known.
 * - `apply` is idempotent: adding what is there, or removing what is gone, succeeds. It never throws for one row: the
 *   answer has one entry an operation, in order, `undefined` for success. All operations of a batch share a scope.
 *   Drivers of rows that are bound to a device do their work in the order they are asked, also before they have answered.
 * - `notices$` tells of every change in every scope that was listed or applied to, the echo of our own included; those
 *   that came before `apply`'s or `list`'s answer are emitted before it resolves, so that results and notices form one line.
 *   A notice emitted while an operation on its key was under way is newer than that operation's success.
 */
export interface Driver<K extends Kind = Kind> {
  readonly kind: K;
  list(scope: Scope): Promise<Observed<K>[]>;
  apply(scope: Scope, operations: readonly Operation<K>[]): Promise<(Failure | undefined)[]>;
  readonly notices$: Observable<Notice>;
  /** Whether what is found fulfils the wish, where deep equality asks too much: an absent MAC means any. */
  same?(wish: Values[K], found: Values[K]): boolean;
  /**
   * Where nothing in the kernel tells what is ours (sysctls): these keys as they are now, absent ones left out. Such
   * rows are looked at when they are first wished, `list` is never asked, and what is not wished is not seen.
   */
  read?(scope: Scope, keys: readonly string[]): Promise<Observed<K>[]>;
}

/** A forgotten kind does not compile. */
export type Drivers = { [K in Kind]: Driver<K> };

/** `kind scope key`, one text for maps and messages. */
export function rowId(row: Pick<Row, "kind" | "scope" | "key">): string {
  return `${row.kind} ${row.scope} ${row.key}`;
}
