import { join } from "node:path";
import type { Place } from "../../src/lab/place.ts";
import { ip, toNumber } from "../../src/model/address.ts";

/** Ethernet frames as somebody in a container makes them by hand: nothing in them need be true. */
export interface Frame {
  to: string;
  from: string;
  /** EtherType, or the length of an IEEE 802.3 frame. */
  type: number;
  payload: Buffer;
}

export const broadcast = "ff:ff:ff:ff:ff:ff";

const program = join(import.meta.dirname, "send-frames.ts");

/** Puts frames on a container's eth0, in order, as they are. */
export async function sendFrames(from: Place, frames: readonly Frame[]): Promise<void> {
  const [link] = JSON.parse(await from.output("ip", ["-json", "link", "show", "dev", "eth0"]));
  const texts = frames.map((frame) => bytesOf(frame).toString("hex"));
  await from.output(process.execPath, [program, String(link.ifindex), ...texts]);
}

function bytesOf({ to, from, type, payload }: Frame): Buffer {
  return Buffer.concat([bytesOfMac(to), bytesOfMac(from), number(type, 2), payload]);
}

interface Addresses {
  to: string;
  from: string;
  src: string;
  dst: string;
}

export function udp(addresses: Addresses, { from, to }: { from: number; to: number }): Frame {
  const text = Buffer.from("frame");
  // A checksum of 0 is none at all, which IPv4 permits.
  const datagram = Buffer.concat([number(from, 2), number(to, 2), number(8 + text.length, 2), number(0, 2), text]);
  return { to: addresses.to, from: addresses.from, type: 0x0800, payload: ipv4(addresses, 17, datagram) };
}

function ipv4({ src, dst }: Addresses, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    number(20 + payload.length, 2),
    Buffer.from([0, 0, 0, 0, 64, protocol, 0, 0]),
    bytesOfIp(src),
    bytesOfIp(dst),
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** "`address` is at `claimed`", unasked, to everybody. */
export function arpReply(from: string, address: string, claimed: string): Frame {
  const fixed = Buffer.from([0, 1, 8, 0, 6, 4, 0, 2]);
  const sender = [bytesOfMac(claimed), bytesOfIp(address)];
  const payload = Buffer.concat([fixed, ...sender, bytesOfMac(broadcast), bytesOfIp(address)]);
  return { to: broadcast, from, type: 0x0806, payload };
}

/** An IPv6 router that offers itself to every host of the link. */
export function routerAdvertisement(from: string): Frame {
  const source = Buffer.from("fe800000000000000000000000000666", "hex");
  const everybody = Buffer.from("ff020000000000000000000000000001", "hex");
  // Type 134, hop limit 64, a lifetime of 1,800 s.
  const message = Buffer.from([134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]);
  const pseudoHeader = Buffer.concat([source, everybody, number(message.length, 4), number(58, 4)]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, message])), 2);
  const header = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), number(message.length, 2), Buffer.from([58, 255])]);
  const payload = Buffer.concat([header, source, everybody, message]);
  return { to: "33:33:00:00:00:01", from, type: 0x86dd, payload };
}

/** The frame under a tag of VLAN 0, which hosts take off and forget (IEEE 802.1Q priority tag). */
export function tagged(frame: Frame): Frame {
  return { ...frame, type: 0x8100, payload: Buffer.concat([number(0, 2), number(frame.type, 2), frame.payload]) };
}

/** The frame as IEEE 802.3 has it: a length, then LLC and SNAP with the EtherType. */
export function snap(frame: Frame): Frame {
  const payload = Buffer.concat([Buffer.from("aaaa03000000", "hex"), number(frame.type, 2), frame.payload]);
  return { ...frame, type: payload.length, payload };
}

/** RFC 1071: the complement of the ones' complement sum of 16-bit words. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function bytesOfMac(address: string): Buffer {
  return Buffer.from(address.replaceAll(":", ""), "hex");
}

function bytesOfIp(address: string): Buffer {
  return number(toNumber(ip(address)), 4);
}

function number(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}
