import type { RowOf, Scope, Values } from "../desired/rows.ts";
import type { Driver, Failure, Observed, Operation } from "../reconcile/kind.ts";
import type { Kernel } from "./kernel.ts";
import type { LinkTable } from "./link-table.ts";
import { MessageReader } from "./netlink/reader.ts";
import { MessageWriter } from "./netlink/writer.ts";
import { missingDevice, refusal } from "./refusal.ts";
import type { MessageKind, RowCodec } from "./row-codec.ts";
import type { Scopes } from "./scopes.ts";

type Failures = (Failure | undefined)[];

/** Drives rows that are one rtnetlink message each: a whole batch is one buffer, one trip to the Worker. */
export function rowDriver<K extends MessageKind>(kernel: Kernel, scopes: Scopes, codec: RowCodec<K>): Driver<K> {
  return { kind: codec.kind, notices$: scopes.notices$, list, apply };

  async function list(scope: Scope): Promise<Observed<K>[]> {
    const table = await scopes.ready(scope);
    if ("code" in table) return none(table);
    const answer = await kernel.dump(scope, codec.dump());
    if (!answer.ok) return none(answer.failure);
    const rows = read(answer.value, table);
    if (rows) return rows;
    // A link came between the two dumps, or its message has not come yet.
    const now = await scopes.reload(scope);
    return "code" in now ? none(now) : (read(answer.value, now) ?? list(scope));
  }

  /** `undefined` where a row is on a device that the table does not have. */
  function read(dump: Uint8Array, table: LinkTable): Observed<K>[] | undefined {
    const rows: Observed<K>[] = [];
    const message = new MessageReader(dump);
    while (message.next()) {
      const notice = codec.read(message, table);
      if (notice?.type === "present") rows.push(notice.row as Observed<K>);
      if (notice?.type === "relist") return undefined;
    }
    return rows;
  }

  async function apply(scope: Scope, operations: readonly Operation<K>[]): Promise<Failures> {
    const table = await scopes.ready(scope);
    if ("code" in table) return operations.map(({ verb }) => (isGoneWith(table, verb) ? undefined : table));
    const before = operations.map(({ row }) => indexOf(table, row));
    const failures = await send(scope, table, operations);
    return mend(scope, operations, failures, before);
  }

  /** What failed for a device is tried again if the device is another one by now; what was claimed in vain, if it is ours. */
  async function mend(scope: Scope, operations: readonly Operation<K>[], failures: Failures, before: unknown[]) {
    if (failures.some((failure) => failure?.code === "ENODEV")) {
      const table = await scopes.reload(scope);
      if ("code" in table) return failures;
      const again = (index: number) =>
        failures[index]?.code === "ENODEV" && indexOf(table, operations[index]!.row) !== before[index];
      await retry(scope, table, operations, failures, again);
    }
    if (codec.claim && failures.some((failure) => failure?.code === "EEXIST")) {
      const table = await scopes.ready(scope);
      if ("code" in table) return failures;
      const ours = new Set((await list(scope)).map(({ key }) => key));
      const again = (index: number) => failures[index]?.code === "EEXIST" && ours.has(operations[index]!.row.key);
      await retry(scope, table, operations, failures, again, "replace");
    }
    return failures;
  }

  async function retry(
    scope: Scope,
    table: LinkTable,
    operations: readonly Operation<K>[],
    failures: Failures,
    again: (index: number) => boolean,
    verb?: "replace",
  ): Promise<void> {
    const indexes = operations.keys().filter(again).toArray();
    if (indexes.length === 0) return;
    const chosen = indexes.map((index) => ({ ...operations[index]!, ...(verb && { verb }) }) as Operation<K>);
    const outcome = await send(scope, table, chosen);
    for (const [at, index] of indexes.entries()) failures[index] = outcome[at];
  }

  async function send(scope: Scope, table: LinkTable, operations: readonly Operation<K>[]): Promise<Failures> {
    const writer = new MessageWriter();
    // The message of each operation, none for one that needs no message or cannot have any.
    const places = operations.map((operation) => {
      const index = indexOf(table, operation.row);
      if (index === undefined) return -1;
      write(writer, scope, operation, index);
      return writer.count - 1;
    });
    const answer = writer.count === 0 ? undefined : await kernel.batch(scope, writer.finish());
    return operations.map((operation, at) => {
      const { verb, row } = operation;
      const place = places[at] as number;
      if (place < 0) return verb === "remove" ? undefined : missingDevice(row, codec.dev(row.value) ?? "");
      if (!answer?.ok) return answer && isGoneWith(answer.failure, verb) ? undefined : answer?.failure;
      return refusal(answer.value, place, verb, row, verb === "remove" ? codec.done.remove : codec.done.put);
    });
  }

  function write(writer: MessageWriter, scope: Scope, { verb, row }: Operation<K>, index: number): void {
    const value = row.value as Values[K];
    if (verb === "remove") codec.remove(writer, value, index);
    // Outside our own namespaces the key may be somebody else's.
    else if (verb === "add" && codec.claim && !scope.startsWith("net:")) codec.claim(writer, value, index);
    else codec.put(writer, value, index);
  }

  /** 0 for a row that needs no device. */
  function indexOf(table: LinkTable, row: RowOf<K> | Observed<K>): number | undefined {
    const dev = codec.dev(row.value as Values[K]);
    return dev === undefined ? 0 : table.indexFor(dev);
  }
}

/** With its namespace a row is gone. */
function isGoneWith({ code }: Failure, verb: Operation["verb"]): boolean {
  return verb === "remove" && code === "NETNS_MISSING";
}

/** A scope that cannot be entered holds nothing of ours; anything else means that nothing is known. */
function none(failure: Failure): never[] {
  // ENOENT: a namespace has no main table before its first route.
  if (failure.next === "wait" || failure.code === "ENOENT") return [];
  throw new Error(failure.message);
}
