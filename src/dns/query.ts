import { classIn, flag, headerSize, opcodeMask, plainSize, type Rcode, rcode, type } from "./protocol.ts";

/** A question as it came, and what the answer needs of it. */
export interface Query {
  readonly message: Buffer;
  /** In lower case, dots between labels, none at the end; "" for the root. A dot inside a label is spelled `\.`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question ends. */
  readonly end: number;
  /** Absent for a client without EDNS. */
  readonly edns?: { size: number; version: number; wantsDnssec: boolean };
}

/** Octets of a name with its lengths and the root (RFC 1035, 3.1). */
const longestName = 255;
const longestLabel = 63;
const dot = 0x2e;
const backslash = 0x5c;

/** Names are put together here, one at a time; twice the room, since dots inside labels take two. */
const scratch = Buffer.alloc(2 * longestName);

/**
 * Reads a message that should be a query. `undefined` for what deserves no answer: what has no header, and answers, or
 * two servers could keep each other busy for ever. A code where the answer is an error whatever is asked.
 */
export function readQuery(message: Buffer): Query | Rcode | undefined {
  if (message.length < headerSize) return undefined;
  const flags = message.readUInt16BE(2);
  if (flags & flag.QR) return undefined;
  if (flags & opcodeMask) return rcode.NOTIMP;
  // RFC 9619: a query asks one question.
  if (message.readUInt16BE(4) !== 1) return rcode.FORMERR;
  const question = readName(message);
  if (question === undefined || question.end + 4 > message.length) return rcode.FORMERR;
  const end = question.end + 4;
  const edns = readEdns(message, end);
  if (edns === "malformed") return rcode.FORMERR;
  return {
    message,
    name: question.name,
    type: message.readUInt16BE(question.end),
    class: message.readUInt16BE(question.end + 2),
    end,
    ...(edns && { edns }),
  };
}

/** The question's name and where it ends. It comes first, so there is nothing that it could point to. */
function readName(message: Buffer): { name: string; end: number } | undefined {
  let at = headerSize;
  let length = 0;
  for (;;) {
    const size = message[at];
    if (size === undefined || size > longestLabel) return undefined;
    at += 1;
    if (size === 0) break;
    if (at + size > message.length || at + size - headerSize >= longestName) return undefined;
    if (length > 0) scratch[length++] = dot;
    for (const last = at + size; at < last; at++) {
      const octet = message[at] as number;
      if (octet === dot) scratch[length++] = backslash;
      scratch[length++] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
    }
  }
  return { name: scratch.toString("latin1", 0, length), end: at };
}

function readEdns(message: Buffer, from: number): Query["edns"] | "malformed" {
  const others = message.readUInt16BE(6) + message.readUInt16BE(8);
  const records = others + message.readUInt16BE(10);
  let at = from;
  let found: Query["edns"];
  for (let n = 0; n < records; n++) {
    const isRoot = message[at] === 0;
    at = skipName(message, at);
    if (at < 0 || at + 10 > message.length) return "malformed";
    if (message.readUInt16BE(at) === type.OPT) {
      // RFC 6891, 6.1.1: one, at the root, among the additional records.
      if (found || !isRoot || n < others) return "malformed";
      const size = Math.max(plainSize, message.readUInt16BE(at + 2));
      found = { size, version: message[at + 5] as number, wantsDnssec: ((message[at + 6] as number) & 0x80) !== 0 };
    }
    at += 10 + message.readUInt16BE(at + 8);
    if (at > message.length) return "malformed";
  }
  return found;
}

/** Behind the name at `from`, a compressed one's pointer included; -1 where there is none. */
function skipName(message: Buffer, from: number): number {
  for (let at = from; at - from < longestName; ) {
    const size = message[at];
    if (size === undefined) return -1;
    if (size === 0) return at + 1;
    if (size >= 0xc0) return at + 2;
    if (size > longestLabel) return -1;
    at += 1 + size;
  }
  return -1;
}

/** Whether an answer from outside is to this question: same number, same question but for case (RFC 5452, 9.1). */
export function answers(answer: Buffer, query: Buffer, end: number): boolean {
  if (answer.length < end || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if (!(answer.readUInt16BE(2) & flag.QR) || answer.readUInt16BE(4) !== 1) return false;
  for (let at = headerSize; at < end; at++) {
    const [asked, said] = [query[at] as number, answer[at] as number];
    if (asked !== said && ((asked ^ said) !== 0x20 || (asked | 0x20) < 0x61 || (asked | 0x20) > 0x7a)) return false;
  }
  return true;
}

export function isInternet(query: Query): boolean {
  return query.class === classIn;
}
