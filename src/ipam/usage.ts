import { isPartOf } from "../desired/peer.ts";
import { type Cidr, firstOf, hostPrefix, lastOf, overlaps, sizeOf, toNumber } from "../model/address.ts";
import { isConfirmed } from "../model/block.ts";
import { blockOf } from "../model/claims.ts";
import { gatewayOf, isAssignable, type Network } from "../model/network.ts";
import type { Keyspace, World } from "../model/world.ts";
import type { Client } from "../store/client.ts";
import { allClaims } from "./claim-store.ts";
import type { KnownClaim } from "./pool.ts";

/** How a network's addresses are used; counts are of addresses. */
export interface NetworkUsage {
  net: string;
  cidr: Cidr;
  /** All that can be given: not the network's own, the gateway's, the broadcast's or of reserved ranges. */
  size: number;
  used: number;
  free: number;
  resting: number;
  borrowed: number;
  hosts: HostUsage[];
}

export interface HostUsage {
  host: string;
  blocks: Cidr[];
  /** Held by the host, its agent address included, wherever they lie. */
  used: number;
  /** In the host's blocks, had by nobody. */
  free: number;
  /** Held by the host outside of its blocks. */
  borrowed: number;
  /** In the host's blocks, released a moment ago. */
  resting: number;
}

/** @throws StoreError */
export async function usageOf(client: Client, world: World, net: string): Promise<NetworkUsage | undefined> {
  const network = world.networks.get(net)?.value;
  if (network === undefined) return undefined;
  const keyspace = world.keyspaces.get(net);
  const hosts = hostsOf(network, keyspace);
  const total = { used: 0, resting: 0, borrowed: 0 };
  /** Used or resting of what can be given; addresses that records name may lie in reserved ranges. */
  let gone = 0;
  const cidr = network.cidr;
  for await (const claim of allClaims(client, net)) {
    const assignable = isAssignable(network, claim.ip);
    if (assignable) gone++;
    const blockHost = assignable ? keyspace && blockOf(keyspace, claim.ip, cidr)?.value.host : undefined;
    count(hosts, claim, blockHost, total);
  }
  const size = assignableIn(network, cidr);
  return {
    net,
    cidr,
    size,
    ...total,
    free: size - gone,
    hosts: [...hosts.values()].sort((a, b) => (a.host < b.host ? -1 : 1)),
  };
}

function hostsOf(network: Network, keyspace: Keyspace | undefined): Map<string, HostUsage> {
  const hosts = new Map<string, HostUsage>();
  for (const [prefix, { value }] of keyspace?.blocks ?? []) {
    if (!isConfirmed(value) || !isPartOf(network.cidr, prefix)) continue;
    const usage = usageAt(hosts, value.host);
    usage.blocks.push(prefix);
    usage.free += assignableIn(network, prefix);
  }
  for (const usage of hosts.values()) usage.blocks.sort();
  for (const host of keyspace?.members.keys() ?? []) usageAt(hosts, host);
  return hosts;
}

function usageAt(hosts: Map<string, HostUsage>, host: string): HostUsage {
  const found = hosts.get(host);
  if (found) return found;
  const usage: HostUsage = { host, blocks: [], used: 0, free: 0, borrowed: 0, resting: 0 };
  hosts.set(host, usage);
  return usage;
}

function count(
  hosts: Map<string, HostUsage>,
  { claim }: KnownClaim,
  blockHost: string | undefined,
  total: { used: number; resting: number; borrowed: number },
): void {
  if (claim === undefined) return;
  const block = blockHost === undefined ? undefined : usageAt(hosts, blockHost);
  if (block) block.free--;
  if (claim.state === "resting") {
    total.resting++;
    if (block) block.resting++;
    return;
  }
  const owner = usageAt(hosts, claim.owner.host);
  total.used++;
  owner.used++;
  if (owner === block) return;
  total.borrowed++;
  owner.borrowed++;
}

/** Counts ranges, not addresses: reserved ones are few, and a /8 is large. */
function assignableIn(network: Network, range: Cidr): number {
  const { cidr, reserved = [] } = network;
  const own: Cidr[] = [firstOf(cidr), gatewayOf(network), lastOf(cidr)].map(hostPrefix);
  const withheld = [...own, ...reserved].flatMap((part): Interval[] =>
    overlaps(part, range) ? [within(part, range)] : [],
  );
  let count = 0;
  let end = -1;
  for (const [from, to] of withheld.sort(([a], [b]) => a - b)) {
    count += Math.max(0, to - Math.max(from, end + 1) + 1);
    end = Math.max(end, to);
  }
  return sizeOf(range) - count;
}

/** First and last address, as numbers. */
type Interval = [number, number];

function within(part: Cidr, range: Cidr): Interval {
  return [
    Math.max(toNumber(firstOf(part)), toNumber(firstOf(range))),
    Math.min(toNumber(lastOf(part)), toNumber(lastOf(range))),
  ];
}
