import { firstIfId, type Policy } from "../../desired/rows.ts";
import type { Outgoing } from "../../ike/outgoing.ts";
import type { Cidr } from "../../model/address.ts";
import * as c from "./constants.ts";
import { putPolicy, removePolicy } from "./policy-messages.ts";
import { MessageWriter } from "./writer.ts";

/** Of addresses that are nobody's (RFC 5737), a direction that asks for no SA, and a number that no interface has. */
const passing: Policy = {
  dir: "fwd",
  src: "192.0.2.1/32" as Cidr,
  dst: "192.0.2.2/32" as Cidr,
  ifId: firstIfId - 1,
  priority: 0,
  mode: "transport",
  reqid: 0,
};

/**
 * Has an SA count its age from another moment, in seconds of the epoch, and flows choose their SAs anew by that. What it
 * counted goes along: the kernel takes the whole of struct xfrm_lifetime_cur or nothing.
 *
 * A flow keeps the SA that it once was given until that is deleted, and what is under way by it then is lost. A policy that
 * is made makes every such choice void; this one goes in the same call, so that it cannot stay.
 */
export function setAddTime(sa: Outgoing, addTime: number): Uint8Array<ArrayBuffer> {
  const writer = named(new MessageWriter().begin(c.XFRM_MSG_NEWAE, c.NLM_F_REPLACE), sa);
  // struct xfrm_aevent_id goes on: source, flags, reqid, of which nothing is read.
  writer
    .address(sa.src)
    .zeros(12 + 4 + 4)
    .structure(c.XFRMA_LTIME_VAL, () => writer.u64(sa.bytes).u64(sa.packets).u64(addTime).u64(0));
  putPolicy(writer, passing, false);
  removePolicy(writer, passing);
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
