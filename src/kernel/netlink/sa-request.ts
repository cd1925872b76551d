import * as c from "./constants.ts";
import { MessageWriter } from "./writer.ts";

/** An algorithm as the kernel's crypto names it; `trunc` for octets of an integrity check value cut short. */
export type SaAlgorithm =
  | { type: "aead"; name: string; keyBytes: number; icvBytes: number }
  | { type: "cbc"; cipher: string; keyBytes: number; auth: string; authKeyBytes: number; truncBytes: number };

const nameBytes = 64;

/**
 * Asks for an SA of ESP in tunnel mode, with a key of zeros: for a namespace where no packet passes, to see whether the
 * kernel could. Of one SPI there is one only.
 */
export function newSa(algorithm: SaAlgorithm, spi: number): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter().begin(c.XFRM_MSG_NEWSA, c.NLM_F_CREATE | c.NLM_F_EXCL);
  // struct xfrm_usersa_info: selector, then id.
  writer
    .zeros(40)
    .u16(c.AF_INET)
    .zeros(14)
    .u8(192, 0, 2, 1)
    .zeros(12)
    .u8(0, 0, spi >>> 8, spi & 255)
    .u8(c.IPPROTO_ESP, 0, 0, 0);
  writer.u8(192, 0, 2, 2).zeros(12);
  for (let word = 0; word < 8; word++) writer.u32(0xffff_ffff);
  // No end in time; nothing used so far; statistics, sequence, reqid.
  writer
    .zeros(32 + 32 + 12 + 4 + 4)
    .u16(c.AF_INET)
    .u8(c.XFRM_MODE_TUNNEL, 0, 0)
    .zeros(7);
  if (algorithm.type === "aead") {
    const { name, keyBytes, icvBytes } = algorithm;
    writer.structure(c.XFRMA_ALG_AEAD, () => key(named(writer, name), keyBytes, icvBytes));
  } else {
    const { cipher, keyBytes, auth, authKeyBytes, truncBytes } = algorithm;
    writer.structure(c.XFRMA_ALG_CRYPT, () => key(named(writer, cipher), keyBytes));
    writer.structure(c.XFRMA_ALG_AUTH_TRUNC, () => key(named(writer, auth), authKeyBytes, truncBytes));
  }
  return writer.finish();
}

function named(writer: MessageWriter, name: string): MessageWriter {
  return writer.u8(...Buffer.from(name)).zeros(nameBytes - name.length);
}

/** Lengths are in bits. */
function key(writer: MessageWriter, bytes: number, icvBytes?: number): void {
  writer.u32(bytes * 8);
  if (icvBytes !== undefined) writer.u32(icvBytes * 8);
  writer.zeros(bytes);
}
