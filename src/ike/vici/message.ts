/**
 * A VICI message: sections of named values, lists and sections, as strongswan.conf has them. Decoded, a value is text
 * where its octets are UTF-8, and octets where not: keys and certificates in DER.
 */
export interface Message {
  [name: string]: Value | readonly Value[] | Message;
}

export type Value = string | Uint8Array;

/** What the lengths of the protocol can say. */
export const longestName = 255;
export const longestValue = 65_535;
/** charon's deepest, list-sas and load-conn, have five. */
export const deepest = 32;

/** How the parts of a message begin on the wire. */
export const element = {
  sectionStart: 1,
  sectionEnd: 2,
  keyValue: 3,
  listStart: 4,
  listItem: 5,
  listEnd: 6,
} as const;

export function isSection(value: Message[string] | undefined): value is Message {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** Sections of a message by name, in charon's order; what is none is passed over. */
export function sectionsOf(message: Message): [string, Message][] {
  return Object.entries(message).filter((entry): entry is [string, Message] => isSection(entry[1]));
}

export function section(message: Message, name: string): Message {
  const value = message[name];
  return isSection(value) ? value : none;
}

/** Text of a value; undefined where there is none of that name. */
export function text(message: Message, name: string): string | undefined {
  const value = message[name];
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : undefined;
}

/** A number in decimal; undefined where there is none. */
export function number(message: Message, name: string): number | undefined {
  const value = text(message, name);
  return value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
}

export function list(message: Message, name: string): string[] {
  const value = message[name];
  return Array.isArray(value) ? value.map((item: Value) => Buffer.from(item as string).toString()) : [];
}

const none: Message = {};
