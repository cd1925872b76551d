import { createPublicKey, type KeyObject } from "node:crypto";
import type { PublicKey } from "../desired/rows.ts";

/** SubjectPublicKeyInfo of Ed25519 (RFC 8410) before the key's 32 octets. */
const spkiHead = Buffer.from("302a300506032b6570032100", "hex");
const octets = 32;

/** DER, as charon takes a raw public key. @throws where it is no key */
export function spkiOf(key: PublicKey): Buffer {
  const raw = Buffer.from(key, "base64");
  if (raw.length === octets && raw.toString("base64") === key) return Buffer.concat([spkiHead, raw]);
  throw new Error(`Cannot use public key: expected ${octets} octets in base64, got "${key.slice(0, 64)}"`);
}

/** The public half of a private or public key. */
export function publicKeyOf(key: KeyObject): PublicKey {
  const half = key.type === "private" ? createPublicKey(key) : key;
  const spki = half.export({ type: "spki", format: "der" });
  return spki.subarray(spkiHead.length).toString("base64");
}
