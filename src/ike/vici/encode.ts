import { ViciError } from "./error.ts";
import { deepest, element, isSection, longestName, longestValue, type Message, type Value } from "./message.ts";

/** @throws ViciError UNSENDABLE, naming what does not fit */
export function encodeMessage(message: Message): Buffer {
  const parts: Uint8Array[] = [];
  writeSection(parts, message, []);
  return Buffer.concat(parts);
}

function writeSection(parts: Uint8Array[], section: Message, path: readonly string[]): void {
  if (path.length > deepest) throw unsendable(path, `at most ${deepest} sections in each other`, "more");
  for (const [name, value] of Object.entries(section)) {
    const here = [...path, name];
    if (isSection(value)) {
      parts.push(head(element.sectionStart, name, here));
      writeSection(parts, value, here);
      parts.push(Buffer.of(element.sectionEnd));
    } else if (Array.isArray(value)) {
      parts.push(head(element.listStart, name, here));
      for (const item of value as readonly Value[]) parts.push(Buffer.of(element.listItem), ...sized(item, here));
      parts.push(Buffer.of(element.listEnd));
    } else {
      parts.push(head(element.keyValue, name, here), ...sized(value as Value, here));
    }
  }
}

function head(type: number, name: string, path: readonly string[]): Uint8Array {
  return Buffer.concat([Buffer.of(type), encodeName(name, path.join("."))]);
}

/** @throws ViciError UNSENDABLE */
export function encodeName(name: string, what: string): Uint8Array {
  const bytes = Buffer.from(name);
  if (bytes.length > longestName)
    throw unsendable([what], `a name of at most ${longestName} octets`, `${bytes.length}`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function sized(value: Value, path: readonly string[]): Uint8Array[] {
  const bytes = Buffer.from(value as string);
  if (bytes.length > longestValue)
    throw unsendable(path, `a value of at most ${longestValue} octets`, `${bytes.length}`);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return [length, bytes];
}

function unsendable(path: readonly string[], expected: string, got: string): ViciError {
  return new ViciError("UNSENDABLE", `Cannot encode ${path.join(".").slice(0, 100)}: expected ${expected}, got ${got}`);
}
