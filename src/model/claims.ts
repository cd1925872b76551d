import { type Cidr, type Ip, type Mac, prefixLength, prefixOf } from "./address.ts";
import { type Block, isConfirmed } from "./block.ts";
import type { Member } from "./member.ts";
import type { ContainerEntry, Entry, Keyspace } from "./world.ts";

/** Who claims what. A thing has one claimant as a rule, and then no set: that saves 20 MB in a world of 100,000 containers. */
export type Claims<K> = Map<K, ContainerEntry | Set<ContainerEntry>>;

export function addClaim<K>(claims: Claims<K>, thing: K, entry: ContainerEntry): void {
  const held = claims.get(thing);
  if (held === undefined) claims.set(thing, entry);
  else if (held instanceof Set) held.add(entry);
  else claims.set(thing, new Set([held, entry]));
}

export function dropClaim<K>(claims: Claims<K>, thing: K, entry: ContainerEntry): void {
  const held = claims.get(thing);
  if (!(held instanceof Set)) {
    claims.delete(thing);
    return;
  }
  held.delete(entry);
  const [only] = held;
  if (held.size === 1 && only) claims.set(thing, only);
}

/** Everybody who claims the thing. */
export function claimants<K>(claims: Claims<K> | undefined, thing: K): ContainerEntry[] {
  const held = claims?.get(thing);
  if (held === undefined) return [];
  return held instanceof Set ? [...held] : [held];
}

/** Everybody who claims the address. */
export function claimsOf(keyspace: Keyspace, ip: Ip): ContainerEntry[] {
  return claimants(keyspace.byIp, ip);
}

/** Containers of a host whose records say the MAC. No index: a host has hundreds of containers, and few say one at all. */
export function wearersOf(keyspace: Keyspace, host: string, mac: Mac): ContainerEntry[] {
  return [...(keyspace.containers.get(host)?.values() ?? [])].filter(({ value }) => value.mac === mac);
}

/** The host whose agent address this is: the oldest member's, should several say so; nobody's where an older container has it. */
export function agentAt(keyspace: Keyspace, ip: Ip): string | undefined {
  const hosts = keyspace.byAgent.get(ip);
  if (hosts === undefined) return undefined;
  const first = oldest([...hosts].flatMap((host) => keyspace.members.get(host) ?? []));
  if (first === undefined || olderOwner(keyspace, first)) return undefined;
  return [...hosts].find((host) => keyspace.members.get(host) === first);
}

/** The container that had a member's agent address before it: whoever joins with a container's address does not get it. */
export function olderOwner(keyspace: Keyspace, member: Entry<Member>): ContainerEntry | undefined {
  const owner = oldest(claimsOf(keyspace, member.value.address));
  return owner && oldest<Entry<unknown>>([owner, member]) === owner ? owner : undefined;
}

/** The longest confirmed block that holds the address. A block as wide as the network is nobody's, and no route leads there. */
export function blockOf(keyspace: Keyspace, ip: Ip, network: Cidr): Entry<Block> | undefined {
  let best: Entry<Block> | undefined;
  let longest = prefixLength(network);
  for (const length of keyspace.blockLengths.keys()) {
    const block = length > longest ? keyspace.blocks.get(prefixOf(ip, length)) : undefined;
    if (block === undefined || !isConfirmed(block.value)) continue;
    best = block;
    longest = length;
  }
  return best;
}

/** Of several claims, the oldest record's; the key decides between equals, which etcd's transactions allow. */
export function oldest<E extends Entry<unknown>>(entries: Iterable<E>): E | undefined {
  let first: E | undefined;
  for (const entry of entries) {
    if (
      first === undefined ||
      entry.created < first.created ||
      (entry.created === first.created && entry.key < first.key)
    )
      first = entry;
  }
  return first;
}
