import type { Ip } from "../../model/address.ts";
import * as c from "./constants.ts";
import type { MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

/** An SA that is no more, or all of them. */
export type SaNotice = { type: "deleted"; spi: number; dst: Ip } | { type: "flushed" };

const headerBytes = 16;
/** struct xfrm_usersa_id, by which an SA is deleted: address of 16 octets, SPI, family, protocol. */
const idBytes = 24;
/** struct xfrm_usersa_info: all but keys, which follow as attributes. */
const infoBytes = 224;
/** struct xfrm_user_expire: xfrm_usersa_info, whose id begins at 56, then whether it is for good. */
const expireBytes = 232;
const expired = { id: 56, hard: 224 };

/** The request whose answer has every SA, with its keys: see `withoutKeys`. */
export function dumpSas(): Uint8Array<ArrayBuffer> {
  return new MessageWriter().begin(c.XFRM_MSG_GETSA, c.NLM_F_ROOT_MATCH).zeros(idBytes).finish();
}

/** An SA of IPv4 in a dump: its SPI, and the destination that makes it one of its kind. */
export function readStanding(message: MessageReader): { spi: number; dst: Ip } | undefined {
  const info = message.type === c.XFRM_MSG_NEWSA ? message.header(infoBytes) : undefined;
  if (info?.getUint16(212, true) !== c.AF_INET) return undefined;
  return nameAt(info, expired.id);
}

/** What a message says of the end of an SA of IPv4; `undefined` where it says nothing of its end. */
export function readSa(message: MessageReader): SaNotice | undefined {
  switch (message.type) {
    case c.XFRM_MSG_FLUSHSA:
      return { type: "flushed" };
    case c.XFRM_MSG_DELSA: {
      const id = message.header(idBytes);
      return id && id.getUint16(20, true) === c.AF_INET ? deleted(id, 0) : undefined;
    }
    case c.XFRM_MSG_EXPIRE: {
      const info = message.header(expireBytes);
      const isOver = info?.getUint8(expired.hard) === 1 && info.getUint16(212, true) === c.AF_INET;
      return isOver ? deleted(info, expired.id) : undefined;
    }
    default:
      return undefined;
  }
}

function deleted(view: DataView, at: number): SaNotice | undefined {
  const name = nameAt(view, at);
  return name && { type: "deleted", ...name };
}

/** SPI 0 is that of a larval SA, which holds the place of one that is negotiated, and goes when it comes. */
function nameAt(view: DataView, at: number): { spi: number; dst: Ip } | undefined {
  const spi = view.getUint32(at + 16, false);
  const octets = [0, 1, 2, 3].map((octet) => view.getUint8(at + octet));
  return spi === 0 ? undefined : { spi, dst: octets.join(".") as Ip };
}

/**
 * What may leave the Worker of notifications and dumps: those of an SA that is there, made, changed or deleted carry its
 * keys. Of what is there or made the fixed part is left, of a change nothing, of what is deleted the name.
 */
export function withoutKeys(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const clean = new Uint8Array(bytes.length);
  let end = 0;
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < headerBytes) break;
    const kept = keptBytes(view.getUint16(at + 4, true), length);
    clean.set(bytes.subarray(at, at + kept), end);
    if (kept > 0) new DataView(clean.buffer, end).setUint32(0, kept, true);
    end += (kept + 3) & ~3;
    at += (length + 3) & ~3;
  }
  return clean.slice(0, end);
}

function keptBytes(type: number, length: number): number {
  if (type === c.XFRM_MSG_UPDSA) return 0;
  if (type === c.XFRM_MSG_NEWSA) return Math.min(length, headerBytes + infoBytes);
  return type === c.XFRM_MSG_DELSA ? Math.min(length, headerBytes + idBytes) : length;
}
