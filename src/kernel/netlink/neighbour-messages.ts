import { mark } from "../../desired/rows.ts";
import type { Ip, Mac } from "../../model/address.ts";
import * as c from "./constants.ts";
import type { MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

/** An ARP entry (family AF_INET, `dst` is the neighbour) or a forwarding entry (AF_BRIDGE, `dst` is the remote VTEP). */
export interface NeighbourInfo {
  family: number;
  index: number;
  state: number;
  flags: number;
  dst: Ip | undefined;
  lladdr: Mac | undefined;
  protocol: number;
}

export function dumpNeighbours(family: typeof c.AF_INET | typeof c.AF_BRIDGE): Uint8Array<ArrayBuffer> {
  return header(new MessageWriter().begin(c.RTM_GETNEIGH, c.NLM_F_ROOT_MATCH), family, 0, 0, 0).finish();
}

export function readNeighbour(message: MessageReader): NeighbourInfo {
  const attributes = message.attributes(12);
  return {
    family: message.u8(0),
    index: message.u32(4),
    state: message.u16(8),
    flags: message.u8(10),
    dst: attributes.ip(c.NDA_DST),
    lladdr: attributes.mac(c.NDA_LLADDR),
    protocol: attributes.u8(c.NDA_PROTOCOL) ?? 0,
  };
}

export function addNeighbour(writer: MessageWriter, index: number, ip: Ip, lladdr: Mac): void {
  header(writer.begin(c.RTM_NEWNEIGH, c.NLM_F_CREATE | c.NLM_F_REPLACE), c.AF_INET, index, c.NUD_PERMANENT, 0);
  writer.ip(c.NDA_DST, ip).mac(c.NDA_LLADDR, lladdr).u16(5).u16(c.NDA_PROTOCOL).u8(mark.protocol, 0, 0, 0);
}

export function removeNeighbour(writer: MessageWriter, index: number, ip: Ip): void {
  header(writer.begin(c.RTM_DELNEIGH, 0), c.AF_INET, index, 0, 0).ip(c.NDA_DST, ip);
}

/** CREATE with REPLACE moves a unicast address; CREATE alone, to another destination, returns 0 and changes nothing. */
export function addForwarding(writer: MessageWriter, index: number, lladdr: Mac, dst: Ip): void {
  const state = c.NUD_NOARP | c.NUD_PERMANENT;
  header(writer.begin(c.RTM_NEWNEIGH, c.NLM_F_CREATE | c.NLM_F_REPLACE), c.AF_BRIDGE, index, state, c.NTF_SELF);
  writer.mac(c.NDA_LLADDR, lladdr).ip(c.NDA_DST, dst);
}

/** Whatever its destination is by now. */
export function removeForwarding(writer: MessageWriter, index: number, lladdr: Mac): void {
  header(writer.begin(c.RTM_DELNEIGH, 0), c.AF_BRIDGE, index, 0, c.NTF_SELF).mac(c.NDA_LLADDR, lladdr);
}

/** struct ndmsg: family, pad, index, state, flags, type. */
function header(writer: MessageWriter, family: number, index: number, state: number, flags: number): MessageWriter {
  return writer.u8(family, 0).u16(0).u32(index).u16(state).u8(flags, 0);
}
