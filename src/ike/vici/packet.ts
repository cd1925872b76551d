import { decodeMessage } from "./decode.ts";
import { encodeMessage, encodeName } from "./encode.ts";
import { ViciError } from "./error.ts";
import type { Message } from "./message.ts";

/** What goes over the socket, one a segment. */
export type Packet =
  | { type: "command"; name: string; message: Message }
  | { type: "response"; message: Message }
  | { type: "command unknown" }
  | { type: "register"; name: string }
  | { type: "unregister"; name: string }
  | { type: "confirmed" }
  | { type: "event unknown" }
  | { type: "event"; name: string; message: Message };

/** Numbered as on the wire. */
const types = [
  "command",
  "response",
  "command unknown",
  "register",
  "unregister",
  "confirmed",
  "event unknown",
  "event",
] as const satisfies readonly Packet["type"][];

/** What charon takes and gives at most, without the length before it. */
export const longestSegment = 512 * 1024;

/** With its length before it. @throws ViciError UNSENDABLE */
export function encodePacket(packet: Packet): Buffer {
  const parts: Uint8Array[] = [Buffer.of(types.indexOf(packet.type))];
  if ("name" in packet) parts.push(encodeName(packet.name, packet.type));
  if ("message" in packet) parts.push(encodeMessage(packet.message));
  const body = Buffer.concat(parts);
  if (body.length > longestSegment) {
    const what = "name" in packet ? `${packet.type} ${packet.name}` : packet.type;
    const expected = `at most ${longestSegment} octets`;
    throw new ViciError("UNSENDABLE", `Cannot encode ${what}: expected ${expected}, got ${body.length}`);
  }
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Without its length. @throws ViciError MALFORMED */
export function decodePacket(bytes: Uint8Array): Packet {
  const number = bytes[0];
  const type = number === undefined ? undefined : types[number];
  if (type === undefined) throw malformed("a packet's type, 0 to 7", number === undefined ? "nothing" : `${number}`);
  if (type === "response") return { type, message: decodeMessage(bytes.subarray(1)) };
  if (type === "command unknown" || type === "confirmed" || type === "event unknown") return { type };
  const length = bytes[1];
  if (length === undefined || bytes.length < 2 + length)
    throw malformed(`a name after "${type}"`, `${Math.max(0, bytes.length - 2)} octets`);
  const name = Buffer.from(bytes.subarray(2, 2 + length)).toString("latin1");
  if (type === "register" || type === "unregister") return { type, name };
  return { type, name, message: decodeMessage(bytes.subarray(2 + length)) };
}

function malformed(expected: string, got: string): ViciError {
  return new ViciError("MALFORMED", `Cannot decode packet: expected ${expected}, got ${got}`);
}
