import type { Ip, Mac } from "../../model/address.ts";
import { NLA_F_NESTED, NLM_F_REQUEST } from "./constants.ts";

/** Builds netlink messages one after another in one growing buffer: no object a message, 10,000 routes are 0.5 MB. */
export class MessageWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #start = 0;
  #count = 0;

  /** Messages begun so far. */
  get count(): number {
    return this.#count;
  }

  /** Ends the message before, begins the next; its fixed header follows by `u8` and the like. */
  begin(type: number, flags: number): this {
    this.#close();
    this.#room(16);
    this.#start = this.#end;
    this.#view.setUint16(this.#start + 4, type, true);
    this.#view.setUint16(this.#start + 6, flags | NLM_F_REQUEST, true);
    this.#end += 16;
    this.#count++;
    return this;
  }

  u8(...values: number[]): this {
    this.#room(values.length);
    for (const value of values) this.#bytes[this.#end++] = value;
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#view.setUint16(this.#end, value, true);
    this.#end += 2;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#view.setUint32(this.#end, value, true);
    this.#end += 4;
    return this;
  }

  /** Up to 2^53. */
  u64(value: number): this {
    return this.u32(value % 0x1_0000_0000).u32(Math.floor(value / 0x1_0000_0000));
  }

  zeros(count: number): this {
    this.#room(count);
    this.#bytes.fill(0, this.#end, this.#end + count);
    this.#end += count;
    return this;
  }

  flag(type: number, value: boolean): this {
    return this.#attribute(type, 1)
      .u8(value ? 1 : 0)
      .#pad();
  }

  number(type: number, value: number): this {
    return this.#attribute(type, 4).u32(value);
  }

  u32be(type: number, value: number): this {
    return this.#attribute(type, 4).u8(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  }

  /** A port number, in network order. */
  port(type: number, value: number): this {
    return this.#attribute(type, 2)
      .u8(value >>> 8, value & 255)
      .#pad();
  }

  /** With the terminating zero that names of interfaces and kinds want. */
  text(type: number, value: string): this {
    const encoded = Buffer.from(`${value}\0`);
    this.#attribute(type, encoded.length).u8(...encoded);
    return this.#pad();
  }

  bytes(type: number, value: readonly number[]): this {
    return this.#attribute(type, value.length)
      .u8(...value)
      .#pad();
  }

  ip(type: number, address: Ip): this {
    return this.#attribute(type, 4).address(address);
  }

  /** The four octets by themselves. */
  address(address: Ip): this {
    let byte = 0;
    for (let at = 0; at < address.length; at++) {
      const digit = address.charCodeAt(at) - 48;
      if (digit >= 0) byte = byte * 10 + digit;
      else {
        this.u8(byte);
        byte = 0;
      }
    }
    return this.u8(byte);
  }

  mac(type: number, address: Mac): this {
    this.#attribute(type, 6);
    for (let at = 0; at < 17; at += 3) this.u8(Number.parseInt(address.slice(at, at + 2), 16));
    return this.#pad();
  }

  /** Attributes that `inside` writes, as one nested attribute. */
  nested(type: number, inside: () => void): this {
    const start = this.#end;
    this.#attribute(type | NLA_F_NESTED, 0);
    inside();
    this.#view.setUint16(start, this.#end - start, true);
    return this;
  }

  /** Fields that `inside` writes, as one attribute. */
  structure(type: number, inside: () => void): this {
    const start = this.#end;
    this.#attribute(type, 0);
    inside();
    this.#view.setUint16(start, this.#end - start, true);
    return this.#pad();
  }

  /** The present place, for values only the Worker can fill in. */
  get position(): number {
    return this.#end;
  }

  /** All messages; the writer is empty after. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#close();
    const all = this.#bytes.slice(0, this.#end);
    this.#end = this.#start = this.#count = 0;
    return all;
  }

  #attribute(type: number, length: number): this {
    return this.u16(4 + length).u16(type);
  }

  #pad(): this {
    while (this.#end & 3) this.u8(0);
    return this;
  }

  #close(): void {
    if (this.#end > this.#start) this.#view.setUint32(this.#start, this.#end - this.#start, true);
  }

  #room(length: number): void {
    if (this.#end + length <= this.#bytes.length) return;
    const larger = new Uint8Array(this.#bytes.length * 2 + length);
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
