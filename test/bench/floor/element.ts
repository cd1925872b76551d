import { MessageWriter } from "../../../src/kernel/netlink/writer.ts";
import type { Ip } from "../../../src/model/address.ts";

/** nfnetlink.h and nf_tables.h. */
const [batchBegin, batchEnd, newSetElement, create] = [0x10, 0x11, (10 << 8) | 12, 0x400];

export const floorSet = "peers";

/** One nftables transaction that adds one address to the set `peers` of table `inet floor`. */
export function elementBatch(address: Ip): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  // struct nfgenmsg: family, version, subsystem in network order.
  writer.begin(batchBegin, 0).u8(0, 0, 0, 10);
  writer.begin(newSetElement, create).u8(1, 0, 0, 0).text(1, "floor").text(2, floorSet);
  writer.nested(3, () => writer.nested(1, () => writer.nested(1, () => writer.ip(1, address))));
  return writer.begin(batchEnd, 0).u8(0, 0, 0, 10).finish();
}
