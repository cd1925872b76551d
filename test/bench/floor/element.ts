import { MessageWriter } from "../../../src/kernel/netlink/writer.ts";
import type { Ip } from "../../../src/model/address.ts";

/** nfnetlink.h and nf_tables.h. */
const [batchBegin, batchEnd, newSetElement, create] = [0x10, 0x11, (10 << 8) | 12, 0x400];

export const floorSet = "peers";

/** The message that adds one address to the set `peers` of table `inet floor`; it must stand in a transaction. */
export function element(address: Ip): Uint8Array {
  const writer = new MessageWriter();
  // struct nfgenmsg: family, version, subsystem in network order.
  writer.begin(newSetElement, create).u8(1, 0, 0, 0).text(1, "floor").text(2, floorSet);
  writer.nested(3, () => writer.nested(1, () => writer.nested(1, () => writer.ip(1, address))));
  return writer.finish();
}

/** One nftables transaction of these messages. */
export function transaction(messages: readonly Uint8Array[]): Uint8Array {
  const begin = new MessageWriter().begin(batchBegin, 0).u8(0, 0, 0, 10).finish();
  const end = new MessageWriter().begin(batchEnd, 0).u8(0, 0, 0, 10).finish();
  return Buffer.concat([begin, ...messages, end]);
}
