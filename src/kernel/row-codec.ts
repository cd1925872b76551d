import type { Kind, Scope, Values } from "../desired/rows.ts";
import type { Notice } from "../reconcile/kind.ts";
import type { LinkTable } from "./link-table.ts";
import type { MessageReader } from "./netlink/reader.ts";
import type { MessageWriter } from "./netlink/writer.ts";

/** The kinds whose rows are each one rtnetlink message. */
export type MessageKind = Extract<Kind, "address" | "neighbour" | "fdb" | "route">;

/** One kind in the words of rtnetlink. */
export interface RowCodec<K extends MessageKind> {
  readonly kind: K;
  /** The request whose answer holds every row of the kind. */
  dump(): Uint8Array<ArrayBuffer>;
  /** What a message says of a row of ours, in a dump or as a notification; `undefined` where it says nothing. */
  read(message: MessageReader, table: LinkTable): Notice | undefined;
  /** The device a row needs; `undefined` where it needs none. */
  dev(value: Values[K]): string | undefined;
  /** Makes the row, in the place of whatever has its key. */
  put(writer: MessageWriter, value: Values[K], index: number): void;
  /** Makes the row only where nobody's has its key; absent where `put` cannot hit another's. */
  claim?(writer: MessageWriter, value: Values[K], index: number): void;
  remove(writer: MessageWriter, value: Values[K], index: number): void;
  /** Names of errnos that say the row is there, or gone, as asked. */
  readonly done: { put: readonly string[]; remove: readonly string[] };
}

/** A row was found on a device that is not known: events were missed, or it is the echo of one that is gone already. */
export function unknownDevice(kind: MessageKind, scope: Scope, index: number): Notice {
  return { type: "relist", scope, kinds: [kind], why: `a message of unknown device ${index}` };
}
