import { isUtf8 } from "node:buffer";

/** Every key that begins with a prefix, as etcd asks for it: from `start` up to but without `end`. */
export interface KeyRange {
  start: Buffer;
  end: Buffer;
}

/** An empty prefix means every key there is, which etcd writes as two NULs. */
export function keyRange(prefix: string): KeyRange {
  const start = Buffer.from(prefix);
  if (start.length === 0) return { start: Buffer.from([0]), end: Buffer.from([0]) };
  const end = Buffer.from(start);
  // UTF-8 has no byte 0xff, so the last byte can always be counted up.
  end[end.length - 1]! += 1;
  return { start, end };
}

/**
 * The text of a key below the installation's prefix of `skip` bytes. Bytes that are no UTF-8 would fold into one U+FFFD
 * and two keys into one, so such a key is spelled in hexadecimal behind that character: no record has it, and it stays one.
 */
export function keyText(key: Buffer, skip: number): string {
  const below = key.subarray(skip);
  return isUtf8(below) ? below.toString("utf8") : `\ufffd${below.toString("hex")}`;
}
