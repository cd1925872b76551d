import type { Outgoing } from "../../ike/outgoing.ts";
import * as c from "./constants.ts";
import { MessageWriter } from "./writer.ts";

/**
 * Has an SA count its age from another moment, in seconds of the epoch. What it counted goes along: the kernel takes the
 * whole of struct xfrm_lifetime_cur or nothing.
 */
export function setAddTime(sa: Outgoing, addTime: number): Uint8Array<ArrayBuffer> {
  const writer = named(new MessageWriter().begin(c.XFRM_MSG_NEWAE, c.NLM_F_REPLACE), sa);
  // struct xfrm_aevent_id goes on: source, flags, reqid, of which nothing is read.
  writer
    .address(sa.src)
    .zeros(12 + 4 + 4)
    .structure(c.XFRMA_LTIME_VAL, () => writer.u64(sa.bytes).u64(sa.packets).u64(addTime).u64(0));
  return writer.finish();
}

export function deleteSa(sa: Outgoing): Uint8Array<ArrayBuffer> {
  return named(new MessageWriter().begin(c.XFRM_MSG_DELSA, 0), sa).finish();
}

/** struct xfrm_usersa_id. */
function named(writer: MessageWriter, { dst, spi }: Outgoing): MessageWriter {
  return writer
    .address(dst)
    .zeros(12)
    .u8(spi >>> 24, (spi >>> 16) & 255, (spi >>> 8) & 255, spi & 255)
    .u16(c.AF_INET)
    .u8(c.IPPROTO_ESP, 0);
}
