import { isPartOf } from "../desired/peer.ts";
import {
  type Cidr,
  contains,
  firstOf,
  fromNumber,
  type Ip,
  overlaps,
  prefixLength,
  sizeOf,
  toNumber,
} from "../model/address.ts";
import { blockLengthOf, isAssignable, type Network } from "../model/network.ts";
import type { Keyspace } from "../model/world.ts";

/** What choosing a block looks at. */
export interface Ground {
  network: Network;
  /** Blocks of whatever length that some host has or has asked for. */
  taken: readonly Cidr[];
  /** Of the records, where there are any: addresses that containers and agents have. */
  keyspace: Pick<Keyspace, "byIp" | "byAgent"> | undefined;
  /** Any 32-bit number, the same for every start of a host: a thousand that start at once must not ask for the same. */
  seed: number;
}

/**
 * A block that nobody has and that has an address to give, beginning at a point that the seed decides. Blocks in which
 * somebody declared addresses by hand are taken last. `undefined` where the network has none left.
 */
export function chooseBlock({ network, taken, keyspace, seed }: Ground): Cidr | undefined {
  const length = blockLengthOf(network);
  const same = new Set(taken);
  // Of before the network's range changed, or made by hand: what is no part of the network fills nothing of it.
  const others = taken.filter((prefix) => prefixLength(prefix) !== length && isPartOf(network.cidr, prefix));
  const count = 2 ** (length - prefixLength(network.cidr));
  let crowded: Cidr | undefined;
  for (let i = 0; i < count; i++) {
    const block = nthBlock(network.cidr, length, (seed + i) % count);
    if (same.has(block) || others.some((other) => overlaps(other, block))) continue;
    const empty = !keyspace || isEmpty(keyspace, block);
    if (!empty && crowded !== undefined) continue;
    if (!hasRoom(network, keyspace, block)) continue;
    if (empty) return block;
    crowded = block;
  }
  return crowded;
}

/** Whether some record has the address. */
export function isInUse(keyspace: Ground["keyspace"], ip: Ip): boolean {
  return keyspace !== undefined && (keyspace.byIp.has(ip) || keyspace.byAgent.has(ip));
}

function hasRoom(network: Network, keyspace: Ground["keyspace"], block: Cidr): boolean {
  for (const ip of addressesOf(block)) if (isAssignable(network, ip) && !isInUse(keyspace, ip)) return true;
  return false;
}

/** By walking the block or the records, whichever is shorter. */
function isEmpty({ byIp }: NonNullable<Ground["keyspace"]>, block: Cidr): boolean {
  if (sizeOf(block) > byIp.size) return ![...byIp.keys()].some((ip) => contains(block, ip));
  for (const ip of addressesOf(block)) if (byIp.has(ip)) return false;
  return true;
}

function nthBlock(cidr: Cidr, length: number, n: number): Cidr {
  return `${fromNumber(toNumber(firstOf(cidr)) + n * 2 ** (32 - length))}/${length}` as Cidr;
}

/** Every address of a block, the lowest first. */
export function* addressesOf(block: Cidr): Generator<Ip> {
  const first = toNumber(firstOf(block));
  for (let n = first; n < first + sizeOf(block); n++) yield fromNumber(n);
}
