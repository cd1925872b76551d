import { compareRevisions, type Revision } from "../model/revision.ts";
import type { Client } from "./client.ts";
import { StoreError } from "./failure.ts";
import type { KeyRange } from "./key-range.ts";
import type { Position } from "./position.ts";

/** `same`: the store's history is the one followed so far, and stands at `revision`. */
export type Verdict = { type: "same"; revision: Revision } | { type: "rewritten"; why: string };

/**
 * Whether etcd's history is still the one that was followed up to `at`: one cheap read, which also renews a token.
 *
 * A store put back to older data says so by a lower revision only until new writes have filled the gap. So the latest
 * write that was told is read again at its own revision, where another history has another write.
 *
 * @throws StoreError `compacted` when that revision is kept no more, and only a list can tell
 */
export async function checkHistory(client: Client, range: KeyRange, at: Position): Promise<Verdict> {
  let answer: Awaited<ReturnType<typeof readWitness>>;
  try {
    answer = await readWitness(client, range, at);
  } catch (error) {
    if (error instanceof StoreError && error.code === "future") {
      return { type: "rewritten", why: `revision ${at.witness?.revision} was told, and etcd has not come to it` };
    }
    throw error;
  }
  const { header, found } = answer;
  const revision = header.revision as Revision;
  if (header.cluster_id !== at.cluster)
    return { type: "rewritten", why: `cluster ${at.cluster} was followed, and ${header.cluster_id} answers` };
  if (compareRevisions(revision, at.seen) < 0)
    return { type: "rewritten", why: `revision ${at.seen} was seen, and etcd is at ${revision}` };
  if (!found)
    return { type: "rewritten", why: `revision ${at.witness?.revision} is another write than the one that was told` };
  return { type: "same", revision };
}

async function readWitness(client: Client, { start, end }: KeyRange, { witness }: Position) {
  const request = witness
    ? { key: witness.key, revision: witness.revision, keys_only: true }
    : { key: start, range_end: end, limit: 1, keys_only: true };
  const { header, kvs } = await client.call("ask etcd for its revision", () => client.etcd.kv.range(request), true);
  return { header, found: witness === undefined || kvs[0]?.mod_revision === witness.revision };
}
