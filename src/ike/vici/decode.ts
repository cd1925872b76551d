import { isUtf8 } from "node:buffer";
import { ViciError } from "./error.ts";
import { deepest, element, type Message, type Value } from "./message.ts";

/** @throws ViciError MALFORMED, naming where */
export function decodeMessage(bytes: Uint8Array): Message {
  return new MessageReader(bytes).read();
}

class MessageReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): Message {
    const open: Message[] = [emptySection()];
    while (this.#at < this.#bytes.length) {
      const here = open.at(-1) as Message;
      const start = this.#at;
      const type = this.#bytes[this.#at++];
      switch (type) {
        case element.sectionStart: {
          const name = this.#name();
          if (open.length > deepest) throw malformed(start, `at most ${deepest} sections in each other`, "more");
          const inner = emptySection();
          here[name] = inner;
          open.push(inner);
          break;
        }
        case element.sectionEnd:
          if (open.length === 1) throw malformed(start, "a section that is open", "the end of one that is not");
          open.pop();
          break;
        case element.keyValue: {
          const name = this.#name();
          here[name] = this.#value();
          break;
        }
        case element.listStart: {
          const name = this.#name();
          here[name] = this.#items();
          break;
        }
        default:
          throw malformed(start, "the start of a section, value or list", `element ${type}`);
      }
    }
    if (open.length > 1) throw malformed(this.#at, "the end of each section", "the end of the message");
    return open[0] as Message;
  }

  #items(): Value[] {
    const items: Value[] = [];
    for (;;) {
      const start = this.#at;
      if (start >= this.#bytes.length) throw malformed(start, "the end of the list", "the end of the message");
      const type = this.#bytes[this.#at++];
      if (type === element.listEnd) return items;
      if (type !== element.listItem) throw malformed(start, "an item or the end of the list", `element ${type}`);
      items.push(this.#value());
    }
  }

  /** May be empty: the counters of all connections together have no name. */
  #name(): string {
    return this.#take(this.#take(1)[0] as number).toString("latin1");
  }

  #value(): Value {
    const bytes = this.#take(this.#take(2).readUInt16BE());
    return isUtf8(bytes) ? bytes.toString() : Uint8Array.from(bytes);
  }

  #take(length: number): Buffer {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw malformed(this.#at, `${length} octets`, `${left}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Without a prototype, so that no name means anything but itself. */
function emptySection(): Message {
  return Object.create(null) as Message;
}

function malformed(at: number, expected: string, got: string): ViciError {
  return new ViciError("MALFORMED", `Cannot decode message: expected ${expected} at octet ${at}, got ${got}`);
}
