import type { Ip, Mac } from "../../model/address.ts";
import { NLA_TYPE_MASK } from "./constants.ts";

/** The highest attribute type any of our messages is asked for is IFLA_LINK_NETNSID (37); higher ones are passed over. */
const highestAttribute = 63;
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** One cursor over a buffer of netlink messages: the same object moves on, so that 10,000 routes make no garbage. */
export class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #start = 0;
  #next = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** To the next message; false at the end. */
  next(): boolean {
    this.#start = this.#next;
    if (this.#start + 16 > this.#bytes.length) return false;
    const length = this.#view.getUint32(this.#start, true);
    if (length < 16 || this.#start + length > this.#bytes.length) return false;
    this.#next = this.#start + ((length + 3) & ~3);
    return true;
  }

  get type(): number {
    return this.#view.getUint16(this.#start + 4, true);
  }

  get flags(): number {
    return this.#view.getUint16(this.#start + 6, true);
  }

  /** A field of the message's fixed header, at its offset there. */
  u8(offset: number): number {
    return this.#bytes[this.#start + 16 + offset] ?? 0;
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#start + 16 + offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#start + 16 + offset, true);
  }

  /** The fixed header, of the given length, for headers of structures within structures; absent where the message is shorter. */
  header(length: number): DataView | undefined {
    const start = this.#start + 16;
    if (start + length > this.#start + this.#view.getUint32(this.#start, true)) return undefined;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, length);
  }

  /** Attributes after a fixed header of the given length. */
  attributes(headerLength: number): Attributes {
    const end = this.#start + this.#view.getUint32(this.#start, true);
    return new Attributes(this.#bytes, this.#view, this.#start + 16 + headerLength, end);
  }
}

/** Where each attribute lies; values are read when asked for. An absent one reads as `undefined`. */
export class Attributes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #at = new Int32Array(highestAttribute + 1);

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    for (let at = start; at + 4 <= end; ) {
      const length = view.getUint16(at, true);
      if (length < 4 || at + length > end) return;
      const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
      if (type <= highestAttribute) this.#at[type] = at;
      at += (length + 3) & ~3;
    }
  }

  has(type: number): boolean {
    return this.#start(type) !== 0;
  }

  u8(type: number): number | undefined {
    const at = this.#start(type);
    return at ? this.#bytes[at] : undefined;
  }

  u32(type: number): number | undefined {
    const at = this.#start(type);
    return at ? this.#view.getUint32(at, true) : undefined;
  }

  u32be(type: number): number | undefined {
    const at = this.#start(type);
    return at ? this.#view.getUint32(at, false) : undefined;
  }

  port(type: number): number | undefined {
    const at = this.#start(type);
    return at ? this.#view.getUint16(at, false) : undefined;
  }

  /** Netfilter's numbers are big-endian. */
  u64(type: number): bigint | undefined {
    const at = this.#start(type);
    return at ? this.#view.getBigUint64(at, false) : undefined;
  }

  text(type: number): string | undefined {
    const at = this.#start(type);
    if (!at) return undefined;
    const end = this.#end(type);
    const zero = this.#bytes.indexOf(0, at);
    return Buffer.from(this.#bytes.subarray(at, zero >= at && zero < end ? zero : end)).toString();
  }

  ip(type: number): Ip | undefined {
    const at = this.#start(type);
    if (!at || this.#end(type) - at !== 4) return undefined;
    const bytes = this.#bytes;
    return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}` as Ip;
  }

  mac(type: number): Mac | undefined {
    const at = this.#start(type);
    if (!at || this.#end(type) - at !== 6) return undefined;
    const octet = (index: number) => hex[this.#bytes[at + index] ?? 0];
    return `${octet(0)}:${octet(1)}:${octet(2)}:${octet(3)}:${octet(4)}:${octet(5)}` as Mac;
  }

  /** A structure; what follows its first `length` bytes is passed over, and one that is shorter is none. */
  structure(type: number, length: number): DataView | undefined {
    const at = this.#start(type);
    if (!at || this.#end(type) - at < length) return undefined;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, this.#end(type) - at);
  }

  nested(type: number): Attributes | undefined {
    const at = this.#start(type);
    return at ? new Attributes(this.#bytes, this.#view, at, this.#end(type)) : undefined;
  }

  /** Where the value begins; 0 when there is none, as no attribute begins a buffer. */
  #start(type: number): number {
    const at = this.#at[type];
    return at ? at + 4 : 0;
  }

  #end(type: number): number {
    const at = this.#at[type] ?? 0;
    return at + this.#view.getUint16(at, true);
  }
}
