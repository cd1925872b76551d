import { mark } from "../desired/rows.ts";
import { type Ip, isIp, isMac } from "../model/address.ts";
import type { Operation } from "../reconcile/kind.ts";
import { NLM_F_CREATE } from "./netlink/constants.ts";
import { MessageWriter } from "./netlink/writer.ts";
import type { NftKind } from "./nft-mark.ts";
import type { NftElement } from "./nft-text.ts";

/** nfnetlink.h and nf_tables.h. */
const batchBegin = 0x10;
const batchEnd = 0x11;
const subsystem = 10;
const newElement = (subsystem << 8) | 12;
const deleteElement = (subsystem << 8) | 14;
const families = { inet: 1, bridge: 7 } as const;
const [listTable, listSet, listElements, listElement, elementKey, dataValue] = [1, 2, 3, 1, 1, 1];
/** IFNAMSIZ */
const nameBytes = 16;

/**
 * One nftables transaction that puts elements into their sets, or takes them out: what libnftables would send, without
 * the 0.4 ms in which it reads the command and asks the kernel for the sets. `undefined` where there is anything else to do.
 *
 * A part of a key is told by its looks: an IPv4 address, a MAC address, else the name of an interface. Of a set of another
 * type the kernel refuses the element, and nothing of the transaction happens.
 */
export function elementTransaction(operations: readonly Operation<NftKind>[]): Uint8Array<ArrayBuffer> | undefined {
  const writer = new MessageWriter();
  header(writer.begin(batchBegin, 0), 0, subsystem);
  for (const { verb, row } of operations) {
    if (row.value.object !== "element") return undefined;
    const { family, set, element } = row.value;
    if (element.some((part) => part.length >= nameBytes && !isMac(part))) return undefined;
    const isRemoval = verb === "remove";
    header(writer.begin(isRemoval ? deleteElement : newElement, isRemoval ? 0 : NLM_F_CREATE), families[family], 0);
    writer.text(listTable, mark.table).text(listSet, set);
    const value = () => writer.bytes(dataValue, keyBytes(element));
    writer.nested(listElements, () => writer.nested(listElement, () => writer.nested(elementKey, value)));
  }
  header(writer.begin(batchEnd, 0), 0, subsystem);
  return writer.finish();
}

/** struct nfgenmsg: family, version, resource in network order. */
function header(writer: MessageWriter, family: number, resource: number): void {
  writer.u8(family, 0, resource >> 8, resource & 255);
}

/** Parts of a concatenation are each filled up to four bytes. */
function keyBytes(element: NftElement["element"]): number[] {
  const parts = element.map(partBytes);
  return parts.length === 1
    ? (parts[0] as number[])
    : parts.flatMap((bytes) => [...bytes, ...zeros(-bytes.length & 3)]);
}

function partBytes(part: string): number[] {
  if (isIp(part)) return ipBytes(part);
  if (isMac(part)) return part.split(":").map((byte) => Number.parseInt(byte, 16));
  return [...Buffer.from(part), ...zeros(nameBytes - Buffer.byteLength(part))];
}

function ipBytes(ip: Ip): number[] {
  return ip.split(".").map(Number);
}

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}
