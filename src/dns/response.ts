import {
  ednsSize,
  flag,
  headerSize,
  largestMessage,
  opcodeMask,
  optSize,
  plainSize,
  type Rcode,
  rcode,
  type,
} from "./protocol.ts";
import type { Query } from "./query.ts";

/** How the client is reached: a datagram holds what it said it takes, a stream anything. */
export type Transport = "udp" | "tcp";

/** The question's name begins right after the header, and every answer's owner points at it. */
const ownerPointer = 0xc000 | headerSize;
/** Answers are put together here, one at a time, then copied out at their size. */
const scratch = Buffer.alloc(largestMessage);

/** The most octets that this client takes in one answer. */
export function limitOf(query: Query, transport: Transport): number {
  if (transport === "tcp") return largestMessage;
  return Math.min(query.edns?.size ?? plainSize, ednsSize);
}

/**
 * Writes one answer, record by record; one that has no room is left out, with TC set, and so is all that follows. Only
 * one can be under way at a time.
 */
export class Response {
  readonly #query: Query;
  readonly #limit: number;
  readonly #counts = { answer: 0, authority: 0, additional: 0 };
  #at: number;
  #isTruncated = false;

  constructor(query: Query, transport: Transport) {
    this.#query = query;
    this.#limit = limitOf(query, transport) - (query.edns ? optSize : 0);
    query.message.copy(scratch, 0, 0, query.end);
    this.#at = query.end;
  }

  /** How many more records of so many octets have room. */
  room(size: number): number {
    return Math.floor((this.#limit - this.#at) / size);
  }

  /** @param address as a number, `a << 24 | ...` */
  address(ttl: number, address: number, owner?: string): void {
    this.#record("answer", owner ?? ownerPointer, type.A, ttl, () => {
      this.#at = scratch.writeInt32BE(address, this.#at);
    });
  }

  /** A record of the question's name, whose data is a name. */
  named(what: "NS" | "CNAME" | "PTR", ttl: number, target: string, owner?: string): void {
    this.#record("answer", owner ?? ownerPointer, type[what], ttl, () => this.#name(target));
  }

  service(ttl: number, port: number, target: string): void {
    this.#record("answer", ownerPointer, type.SRV, ttl, () => {
      // Priority and weight: all alike.
      this.#at = scratch.writeUInt32BE(0, this.#at);
      this.#at = scratch.writeUInt16BE(port, this.#at);
      this.#name(target);
    });
  }

  /** The address of a name that an answer speaks of; of no use where it has no room, and no reason to ask again. */
  glue(ttl: number, owner: string, address: number): void {
    const truncated = this.#isTruncated;
    this.#record("additional", owner, type.A, ttl, () => {
      this.#at = scratch.writeInt32BE(address, this.#at);
    });
    this.#isTruncated = truncated;
  }

  /** A record that came from elsewhere, whose data has no names in it. */
  foreign(owner: string, code: number, ttl: number, data: Buffer): void {
    this.#record(
      "answer",
      owner,
      code,
      ttl,
      () => {
        this.#at += data.copy(scratch, this.#at);
      },
      data.length,
    );
  }

  /** What RFC 8482 has for who asks for everything. */
  minimal(ttl: number): void {
    this.#record("answer", ownerPointer, type.HINFO, ttl, () => {
      scratch[this.#at++] = 7;
      this.#at += scratch.write("RFC8482", this.#at, "latin1");
      scratch[this.#at++] = 0;
    });
  }

  /** The zone's own record, whose TTL and last field say how long an absence may be kept (RFC 2308). */
  start(section: "answer" | "authority", ttl: number, owner: string, domain: string, serial: number): void {
    this.#record(section, owner, type.SOA, ttl, () => {
      this.#name(`_dns.${domain}`);
      this.#name(`hostmaster.${domain}`);
      for (const field of [serial, 60, 10, 60, ttl]) this.#at = scratch.writeUInt32BE(field >>> 0, this.#at);
    });
  }

  /** @param flags AA, RA */
  finish(code: Rcode, flags: number): Buffer {
    const { message, edns } = this.#query;
    const asked = message.readUInt16BE(2) & (opcodeMask | flag.RD | flag.CD);
    const truncated = this.#isTruncated ? flag.TC : 0;
    scratch.writeUInt16BE(flag.QR | asked | flags | truncated | (code & 15), 2);
    scratch.writeUInt16BE(1, 4);
    scratch.writeUInt16BE(this.#counts.answer, 6);
    scratch.writeUInt16BE(this.#counts.authority, 8);
    scratch.writeUInt16BE(this.#counts.additional + (edns ? 1 : 0), 10);
    if (edns) this.#opt(code, edns.wantsDnssec);
    return Buffer.from(scratch.subarray(0, this.#at));
  }

  #opt(code: Rcode, wantsDnssec: boolean): void {
    scratch[this.#at] = 0;
    scratch.writeUInt16BE(type.OPT, this.#at + 1);
    scratch.writeUInt16BE(ednsSize, this.#at + 3);
    scratch.writeUInt32BE(((code >> 4) << 24) | (wantsDnssec ? 0x8000 : 0), this.#at + 5);
    scratch.writeUInt16BE(0, this.#at + 9);
    this.#at += optSize;
  }

  #record(
    section: "answer" | "authority" | "additional",
    owner: string | number,
    code: number,
    ttl: number,
    data: () => void,
    size = 0,
  ): void {
    if (this.#isTruncated) return;
    const begin = this.#at;
    // A name takes two octets more than its text; nothing else we write is longer than two names and forty octets.
    if (begin + size + 600 > scratch.length) {
      this.#truncate(begin);
      return;
    }
    if (typeof owner === "number") this.#at = scratch.writeUInt16BE(owner, begin);
    else this.#name(owner);
    this.#at = scratch.writeUInt16BE(code, this.#at);
    this.#at = scratch.writeUInt16BE(1, this.#at);
    this.#at = scratch.writeUInt32BE(ttl, this.#at);
    const length = this.#at;
    this.#at += 2;
    data();
    scratch.writeUInt16BE(this.#at - length - 2, length);
    if (this.#at > this.#limit) this.#truncate(begin);
    else this.#counts[section]++;
  }

  #truncate(begin: number): void {
    this.#at = begin;
    this.#isTruncated = true;
  }

  #name(name: string): void {
    for (const label of name === "" ? [] : name.split(".")) {
      scratch[this.#at] = label.length;
      this.#at += 1 + scratch.write(label, this.#at + 1, "latin1");
    }
    scratch[this.#at++] = 0;
  }
}

/** The answer to what could not be read: a header alone. */
export function refuse(message: Buffer, code: Rcode): Buffer {
  const answer = Buffer.alloc(headerSize);
  message.copy(answer, 0, 0, 2);
  answer.writeUInt16BE(flag.QR | (message.readUInt16BE(2) & (opcodeMask | flag.RD)) | (code & 15), 2);
  return answer;
}

/** An answer without records that says how it went. */
export function emptyAnswer(query: Query, code: Rcode, flags: number): Buffer {
  return new Response(query, "udp").finish(code, flags);
}

/** A long answer that came from elsewhere, for a client that takes a short one: it asks again by TCP. */
export function truncated(query: Query, answer: Buffer): Buffer {
  const flags = answer.readUInt16BE(2);
  return new Response(query, "udp").finish((flags & 15) as Rcode, (flags & (flag.AA | flag.RA)) | flag.TC);
}

export const isFailure = (answer: Buffer): boolean => {
  const code = (answer[3] as number) & 15;
  return code !== rcode.NOERROR && code !== rcode.NXDOMAIN;
};
