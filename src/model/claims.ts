import { type Ip, prefixOf } from "./address.ts";
import type { Block } from "./block.ts";
import type { ContainerEntry, Entry, Keyspace } from "./world.ts";

export function addClaim(byIp: Keyspace["byIp"], ip: Ip, entry: ContainerEntry): void {
  const claims = byIp.get(ip);
  if (claims === undefined) byIp.set(ip, entry);
  else if (claims instanceof Set) claims.add(entry);
  else byIp.set(ip, new Set([claims, entry]));
}

export function dropClaim(byIp: Keyspace["byIp"], ip: Ip, entry: ContainerEntry): void {
  const claims = byIp.get(ip);
  if (!(claims instanceof Set)) {
    byIp.delete(ip);
    return;
  }
  claims.delete(entry);
  const [only] = claims;
  if (claims.size === 1 && only) byIp.set(ip, only);
}

/** Everybody who claims the address. */
export function claimsOf(keyspace: Keyspace, ip: Ip): ContainerEntry[] {
  const claims = keyspace.byIp.get(ip);
  if (claims === undefined) return [];
  return claims instanceof Set ? [...claims] : [claims];
}

/** The longest block that holds the address. */
export function blockOf(keyspace: Keyspace, ip: Ip): Entry<Block> | undefined {
  let best: Entry<Block> | undefined;
  let longest = -1;
  for (const length of keyspace.blockLengths.keys()) {
    const block = length > longest ? keyspace.blocks.get(prefixOf(ip, length)) : undefined;
    if (block === undefined) continue;
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
