import type { IEvent } from "etcd3";
import { laterOf, type Revision, revisionAfter } from "../model/revision.ts";

/** How far a watch has got, and by what its history can be told from another. */
export interface Position {
  cluster: string;
  /** The first revision that has not been told in full. */
  next: Revision;
  /** The highest revision any answer has shown. */
  seen: Revision;
  /** The latest write that was told; absent while the keyspace is empty. */
  witness?: Witness;
}

/** A write that, in the same history, can be read again at its revision. */
export interface Witness {
  key: Buffer;
  revision: Revision;
}

/**
 * After events: their own revision counts, never their header's. In a catch-up longer than 1,000 revisions etcd sends
 * parts, and the header of each shows the store's newest revision: going on from there lost every part after a cut.
 */
export function afterEvents(at: Position, events: readonly IEvent[]): Position {
  const last = events.at(-1);
  if (last === undefined) return at;
  const revision = last.kv.mod_revision as Revision;
  const put = events.findLast((event) => event.type === "Put");
  // The key is copied, since it is a view that would keep the whole answer in memory.
  const witness = put ? { key: Buffer.from(put.kv.key), revision: put.kv.mod_revision as Revision } : at.witness;
  return { ...at, next: revisionAfter(revision), seen: laterOf(at.seen, revision), ...(witness ? { witness } : {}) };
}

export function afterProgress(at: Position, revision: Revision, sure: boolean): Position {
  const seen = laterOf(at.seen, revision);
  return sure ? { ...at, seen, next: laterOf(at.next, revisionAfter(revision)) } : { ...at, seen };
}
