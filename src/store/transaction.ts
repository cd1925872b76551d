import type { IKeyValue, IRequestOp, KVClient } from "etcd3";
import type { Revision } from "../model/revision.ts";
import type { Stored } from "./stored.ts";

/** Compare-and-swap: the key is as it was read, or is not there. */
export type Expectation = { key: string; at: Revision | "absent" };

export type Write =
  | { type: "put"; key: string; value: string | Buffer /** A lease's ID. */; lease?: string }
  | { type: "remove"; key: string };

export type Commit =
  | { done: true; revision: Revision }
  /** `found` holds what stands under the expected keys now, in their order. */
  | { done: false; revision: Revision; found: (Stored | undefined)[] };

/** etcd refuses more operations in one transaction (`--max-txn-ops`). */
export const maxWrites = 128;

interface Keys {
  fullKey(key: string): Buffer;
  record(kv: IKeyValue): Stored;
}

export async function commit(
  kv: KVClient,
  { fullKey, record }: Keys,
  expectations: readonly Expectation[],
  writes: readonly Write[],
): Promise<Commit> {
  if (writes.length > maxWrites)
    throw new RangeError(`Cannot write to etcd: expected at most ${maxWrites} writes at once, got ${writes.length}`);
  const answer = await kv.txn({
    compare: expectations.map(({ key, at }) =>
      at === "absent"
        ? { key: fullKey(key), target: "Create", result: "Equal", create_revision: "0" }
        : { key: fullKey(key), target: "Mod", result: "Equal", mod_revision: at },
    ),
    success: writes.map((write) => operation(fullKey(write.key), write)),
    failure: expectations.map(({ key }) => ({ request_range: { key: fullKey(key) } })),
  });
  const revision = answer.header.revision as Revision;
  if (answer.succeeded) return { done: true, revision };
  const found = answer.responses.map((response) => {
    const kv = response.response_range.kvs[0];
    return kv && record(kv);
  });
  return { done: false, revision, found };
}

function operation(key: Buffer, write: Write): IRequestOp {
  if (write.type === "remove") return { request_delete_range: { key } };
  const lease = write.lease === undefined ? {} : { lease: write.lease };
  return { request_put: { key, value: Buffer.from(write.value), ...lease } };
}
