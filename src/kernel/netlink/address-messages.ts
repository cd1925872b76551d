import { mark } from "../../desired/rows.ts";
import type { Ip } from "../../model/address.ts";
import * as c from "./constants.ts";
import type { MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

export interface AddressInfo {
  index: number;
  address: string;
  /** IFA_PROTO, 0 on kernels before 5.18 and for addresses of nobody in particular. */
  protocol: number;
}

export function dumpAddresses(): Uint8Array<ArrayBuffer> {
  return new MessageWriter().begin(c.RTM_GETADDR, c.NLM_F_ROOT_MATCH).u8(c.AF_INET, 0, 0, 0).u32(0).finish();
}

export function readAddress(message: MessageReader): AddressInfo | undefined {
  if (message.u8(0) !== c.AF_INET) return undefined;
  const attributes = message.attributes(8);
  const address = attributes.ip(c.IFA_LOCAL) ?? attributes.ip(c.IFA_ADDRESS);
  if (address === undefined) return undefined;
  const protocol = attributes.u8(c.IFA_PROTO) ?? 0;
  return { index: message.u32(4), address: `${address}/${message.u8(1)}`, protocol };
}

export function writeAddress(writer: MessageWriter, verb: "add" | "remove", index: number, address: string): void {
  const [ip, length] = address.split("/") as [Ip, string];
  const isAdd = verb === "add";
  writer.begin(isAdd ? c.RTM_NEWADDR : c.RTM_DELADDR, isAdd ? c.NLM_F_CREATE | c.NLM_F_EXCL : 0);
  writer.u8(c.AF_INET, Number(length), c.IFA_F_PERMANENT, c.RT_SCOPE_UNIVERSE).u32(index);
  writer.ip(c.IFA_LOCAL, ip).ip(c.IFA_ADDRESS, ip);
  if (isAdd) writer.u16(5).u16(c.IFA_PROTO).u8(mark.protocol, 0, 0, 0);
}
