import { isPartOf } from "../desired/peer.ts";
import { type Cidr, firstOf, fromNumber, type Ip, lastOf, prefixLength, sizeOf, toNumber } from "../model/address.ts";
import { blockLengthOf, gatewayOf, type Network } from "../model/network.ts";
import type { Keyspace } from "../model/world.ts";

/** The block and agent address that a host takes on joining a network. */
export interface Place {
  block: Cidr;
  /** Whether the host held the block already. */
  held: boolean;
  address: Ip;
}

/**
 * A place for a host in a network: a block it holds already, else a free one, beginning at a point its name decides, so
 * that a thousand hosts starting at once do not all ask for the same. Blocks in which somebody declared addresses by
 * hand are taken last. `undefined` where the network is full.
 *
 * @param seed any 32-bit number, the same for every start of this host.
 */
export function choosePlace(
  network: Network,
  keyspace: Keyspace | undefined,
  host: string,
  seed: number,
): Place | undefined {
  for (const block of [...(keyspace?.blocksByHost.get(host) ?? [])].sort()) {
    // Of before the network's range changed, or made by hand: every host would refuse an address from it.
    if (!isPartOf(network.cidr, block)) continue;
    const address = freeAddress(network, keyspace, block);
    if (address) return { block, held: true, address };
  }
  const length = blockLengthOf(network);
  const count = 2 ** (length - prefixLength(network.cidr));
  let crowded: Place | undefined;
  for (let i = 0; i < count; i++) {
    const block = nthBlock(network.cidr, length, (seed + i) % count);
    if (keyspace && coveredBy(keyspace, block, network.cidr)) continue;
    const address = freeAddress(network, keyspace, block);
    if (address === undefined) continue;
    if (!keyspace || !hasClaims(keyspace, block)) return { block, held: false, address };
    crowded ??= { block, held: false, address };
  }
  return crowded;
}

/** The first address of the block that may be an agent's: not the network's, the gateway's, the broadcast's or a container's. */
function freeAddress(network: Network, keyspace: Keyspace | undefined, block: Cidr): Ip | undefined {
  const never = new Set([firstOf(network.cidr), gatewayOf(network), lastOf(network.cidr)]);
  for (const ip of addressesOf(block)) {
    if (!never.has(ip) && !keyspace?.byIp.has(ip) && !keyspace?.byAgent.has(ip)) return ip;
  }
  return undefined;
}

function hasClaims({ byIp }: Keyspace, block: Cidr): boolean {
  for (const ip of addressesOf(block)) if (byIp.has(ip)) return true;
  return false;
}

/** Whether some block of the network, of whatever length, holds addresses of this one. */
function coveredBy({ blocks, blockLengths }: Keyspace, block: Cidr, whole: Cidr): boolean {
  if (blocks.has(block)) return true;
  if (blockLengths.size === 1 && blockLengths.has(prefixLength(block))) return false;
  const [first, last] = [toNumber(firstOf(block)), toNumber(lastOf(block))];
  for (const other of blocks.keys()) {
    if (toNumber(firstOf(other)) <= last && toNumber(lastOf(other)) >= first && isPartOf(whole, other)) return true;
  }
  return false;
}

function nthBlock(cidr: Cidr, length: number, n: number): Cidr {
  return `${fromNumber(toNumber(firstOf(cidr)) + n * 2 ** (32 - length))}/${length}` as Cidr;
}

function* addressesOf(block: Cidr): Generator<Ip> {
  const first = toNumber(firstOf(block));
  for (let n = first; n < first + sizeOf(block); n++) yield fromNumber(n);
}
