import { type Cidr, contains, fromNumber, prefixLength } from "../model/address.ts";

const tail = ".in-addr.arpa";
const octet = /^(?:0|[1-9]\d{0,2})$/;

/** A name below in-addr.arpa that lies in a network's own range. */
export interface Reverse {
  /** The address that the name spells out; absent for what is above or below addresses. */
  address?: number;
  /** Whether the name is above addresses, so that something may be below it. */
  isInner: boolean;
  /** The part of the reverse tree that is wholly the network's, to which the name belongs: `42.10.in-addr.arpa`. */
  zone: string;
}

/** @param name lower case; `undefined` where it is not of the range */
export function readReverse(name: string, cidr: Cidr): Reverse | undefined {
  if (!name.endsWith(tail)) return undefined;
  const labels = name.slice(0, -tail.length).split(".");
  const octets: number[] = [];
  for (const label of labels.toReversed()) {
    if (octets.length === 4 || !octet.test(label) || Number(label) > 255) break;
    octets.push(Number(label));
  }
  const length = prefixLength(cidr);
  // A range that ends within an octet has as many parts of the tree as it has values of that octet.
  const depth = Math.max(1, Math.ceil(length / 8));
  if (octets.length < depth) return undefined;
  const address = octets.reduce((sum, value, at) => sum + value * 2 ** (24 - 8 * at), 0);
  if (!contains(cidr, fromNumber(address))) return undefined;
  const isWhole = labels.length === octets.length;
  return {
    ...(isWhole && octets.length === 4 && { address: address | 0 }),
    isInner: isWhole && octets.length < 4,
    zone: `${octets.slice(0, depth).reverse().join(".")}${tail}`,
  };
}
