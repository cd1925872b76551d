import { Address4 } from "ip-address";

declare const brand: unique symbol;
/** A string that went through the one constructor of its kind, so it is valid and in canonical text. */
export type Brand<Name extends string> = string & { readonly [brand]: Name };

/** An IPv4 address, dotted quad without leading zeros: `10.42.64.98`. */
export type Ip = Brand<"Ip">;
/** An IPv4 prefix without host bits: `10.42.0.0/16`. */
export type Cidr = Brand<"Cidr">;
/** A unicast Ethernet address, lower case, colons: `02:53:0a:2a:40:62`. */
export type Mac = Brand<"Mac">;

const dottedQuad = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const macText = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

export function isIp(text: string): text is Ip {
  return dottedQuad.test(text);
}

/** @throws RangeError when `text` is no canonical IPv4 address. */
export function ip(text: string): Ip {
  if (!isIp(text))
    throw new RangeError(`Cannot read address: expected an IPv4 address such as 10.42.0.2, got "${text}"`);
  return text;
}

export function isCidr(text: string): text is Cidr {
  const [address, length, ...rest] = text.split("/");
  if (address === undefined || length === undefined || rest.length > 0) return false;
  if (!isIp(address) || !/^(?:[0-9]|[12]\d|3[0-2])$/.test(length)) return false;
  return toNumber(address) % 2 ** (32 - Number(length)) === 0;
}

/** @throws RangeError when `text` is no IPv4 prefix, or has host bits set. */
export function cidr(text: string): Cidr {
  if (!isCidr(text))
    throw new RangeError(
      `Cannot read prefix: expected an IPv4 prefix without host bits such as ${example(text)}, got "${text}"`,
    );
  return text;
}

/** What was meant, where only host bits are in the way. */
function example(text: string): string {
  if (!Address4.isValid(text)) return "10.42.0.0/16";
  const meant = new Address4(text);
  return `${meant.startAddress().correctForm()}/${meant.subnetMask}`;
}

export function isMac(text: string): text is Mac {
  return macText.test(text) && (Number.parseInt(text.slice(0, 2), 16) & 1) === 0 && text !== "00:00:00:00:00:00";
}

/** @throws RangeError when `text` is no canonical unicast MAC address. */
export function mac(text: string): Mac {
  if (!isMac(text))
    throw new RangeError(
      `Cannot read MAC address: expected a unicast address such as 02:53:0a:2a:40:62, got "${text}"`,
    );
  return text;
}

/**
 * The address as an unsigned 32-bit number, for arithmetic and sorting. Digit by digit: a large world asks this a million
 * times, and splitting the text takes ten times as long.
 */
export function toNumber(address: Ip): number {
  let n = 0;
  let byte = 0;
  for (let at = 0; at < address.length; at++) {
    const digit = address.charCodeAt(at) - 48;
    if (digit >= 0) byte = byte * 10 + digit;
    else {
      n = n * 256 + byte;
      byte = 0;
    }
  }
  return n * 256 + byte;
}

export function fromNumber(n: number): Ip {
  return `${(n >>> 24) & 255}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}` as Ip;
}

export function prefixLength(prefix: Cidr): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

/** First address of the prefix (the network address). */
export function firstOf(prefix: Cidr): Ip {
  return prefix.slice(0, prefix.indexOf("/")) as Ip;
}

/** How many addresses the prefix holds, 1 to 2^32. */
export function sizeOf(prefix: Cidr): number {
  return 2 ** (32 - prefixLength(prefix));
}

export function lastOf(prefix: Cidr): Ip {
  return fromNumber(toNumber(firstOf(prefix)) + sizeOf(prefix) - 1);
}

export function contains(prefix: Cidr, address: Ip): boolean {
  const offset = toNumber(address) - toNumber(firstOf(prefix));
  return offset >= 0 && offset < sizeOf(prefix);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, firstOf(b)) || contains(b, firstOf(a));
}

/** `10.42.0.2` as the prefix `10.42.0.2/32`. */
export function hostPrefix(address: Ip): Cidr {
  return `${address}/32` as Cidr;
}

/** The prefix of the given length that holds `address`. */
export function prefixOf(address: Ip, length: number): Cidr {
  const size = 2 ** (32 - length);
  return `${fromNumber(Math.floor(toNumber(address) / size) * size)}/${length}` as Cidr;
}

/**
 * The MAC of an address, so that nothing in an ARP cache ever goes stale: `02:53` ("S") and the four bytes of the
 * address for containers and gateways; VTEPs take `0e:53`, another locally administered range.
 */
export function macOf(address: Ip, first: "02" | "0e" = "02"): Mac {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `${first}:53:${bytes.join(":")}` as Mac;
}
