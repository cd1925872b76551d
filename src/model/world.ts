import { type Cidr, type Ip, prefixLength } from "./address.ts";
import { type Block, blockPrefix } from "./block.ts";
import { addClaim, dropClaim } from "./claims.ts";
import type { Container } from "./container.ts";
import type { Decoded } from "./decode.ts";
import type { Host } from "./host.ts";
import { type KeyPath, keyOf, parseKey, type RecordKey } from "./keys.ts";
import type { Member } from "./member.ts";
import type { Network } from "./network.ts";

/** A record in force, with what arbitration and explanations need. */
export interface Entry<T> {
  key: RecordKey;
  value: T;
  /** etcd's create_revision: of two records that claim one thing, the lower is the older and wins. */
  created: bigint;
}

export interface ContainerEntry extends Entry<Container> {
  host: string;
  id: string;
}

/** One network's records. Every map is an index that makes the cost of a change independent of the world's size. */
export interface Keyspace {
  members: Map<string, Entry<Member>>;
  /** Hosts by agent address: one, unless somebody wrote nonsense. */
  byAgent: Map<Ip, Set<string>>;
  blocks: Map<Cidr, Entry<Block>>;
  blocksByHost: Map<string, Set<Cidr>>;
  /** How many blocks there are of each prefix length, so that the block of an address is found by one look-up a length. */
  blockLengths: Map<number, number>;
  /** By host, then by id. */
  containers: Map<string, Map<string, ContainerEntry>>;
  /** Claims of an address: mostly one, so mostly no set. */
  byIp: Map<Ip, ContainerEntry | Set<ContainerEntry>>;
}

/** What etcd says, as plain indexed maps. Output of everything after it depends on this state only, never on the path to it. */
export interface World {
  networks: Map<string, Entry<Network>>;
  byVni: Map<number, Set<string>>;
  hosts: Map<string, Entry<Host>>;
  /** A keyspace may be there before its network, and stay after it. */
  keyspaces: Map<string, Keyspace>;
  /** Containers of any network by the namespace they ask for, as `host path`. */
  byNetns: Map<string, Set<ContainerEntry>>;
  /** Networks each host is a member of. */
  memberships: Map<string, Set<string>>;
}

export function emptyWorld(): World {
  return {
    networks: new Map(),
    byVni: new Map(),
    hosts: new Map(),
    keyspaces: new Map(),
    byNetns: new Map(),
    memberships: new Map(),
  };
}

function emptyKeyspace(): Keyspace {
  return {
    members: new Map(),
    byAgent: new Map(),
    blocks: new Map(),
    blocksByHost: new Map(),
    blockLengths: new Map(),
    containers: new Map(),
    byIp: new Map(),
  };
}

/** A record in force before or after a change, by the type of its path. */
export type Fact =
  | { path: Extract<KeyPath, { type: "network" }>; entry: Entry<Network> }
  | { path: Extract<KeyPath, { type: "host" }>; entry: Entry<Host> }
  | { path: Extract<KeyPath, { type: "member" }>; entry: Entry<Member> }
  | { path: Extract<KeyPath, { type: "container" }>; entry: ContainerEntry }
  | { path: Extract<KeyPath, { type: "block" }>; entry: Entry<Block> };

/** What one change did to the world: the record before and after; neither where it was none of the world's. */
export interface Change {
  before?: Fact;
  after?: Fact;
}

/** Takes a record in, in place of the one that had its key. */
export function put(world: World, decoded: Decoded, created: bigint): Change {
  const { before } = remove(world, decoded.path);
  const entry = { key: keyOf(decoded.path), value: decoded.value, created };
  const fact = (
    decoded.path.type === "container"
      ? { path: decoded.path, entry: { ...entry, host: decoded.path.host, id: decoded.path.id } }
      : { path: decoded.path, entry }
  ) as Fact;
  index(world, fact);
  return { ...(before && { before }), after: fact };
}

/** Takes out the record of a key, as on its deletion or its replacement by something that is no record. */
export function removeKey(world: World, key: string): Change {
  const path = parseKey(key);
  return path === undefined ? {} : remove(world, path);
}

function remove(world: World, path: KeyPath): Change {
  const before = find(world, path);
  if (before === undefined) return {};
  unindex(world, before);
  return { before };
}

function find(world: World, path: KeyPath): Fact | undefined {
  const entry = entryAt(world, path);
  return entry && ({ path, entry } as Fact);
}

function entryAt(world: World, path: KeyPath): Entry<unknown> | undefined {
  switch (path.type) {
    case "network":
      return world.networks.get(path.net);
    case "host":
      return world.hosts.get(path.host);
    case "member":
      return world.keyspaces.get(path.net)?.members.get(path.host);
    case "container":
      return world.keyspaces.get(path.net)?.containers.get(path.host)?.get(path.id);
    case "block": {
      const prefix = blockPrefix(path.block);
      return prefix && world.keyspaces.get(path.net)?.blocks.get(prefix);
    }
    case "alive":
    case "beacon":
    case "status":
      return undefined;
  }
}

function index(world: World, { path, entry }: Fact): void {
  switch (path.type) {
    case "network": {
      const network = entry as Entry<Network>;
      world.networks.set(path.net, network);
      if (network.value.backend.type === "vxlan") addTo(world.byVni, network.value.backend.vni, path.net);
      return;
    }
    case "host":
      world.hosts.set(path.host, entry as Entry<Host>);
      return;
    case "member":
      keyspaceOf(world, path.net).members.set(path.host, entry as Entry<Member>);
      addTo(keyspaceOf(world, path.net).byAgent, (entry as Entry<Member>).value.address, path.host);
      addTo(world.memberships, path.host, path.net);
      return;
    case "container": {
      const container = entry as ContainerEntry;
      const { containers, byIp } = keyspaceOf(world, path.net);
      const ofHost = containers.get(path.host);
      if (ofHost === undefined) containers.set(path.host, new Map([[path.id, container]]));
      else ofHost.set(path.id, container);
      if (container.value.ip !== undefined) addClaim(byIp, container.value.ip, container);
      if (container.value.netns !== undefined) addTo(world.byNetns, `${path.host} ${container.value.netns}`, container);
      return;
    }
    case "block": {
      const keyspace = keyspaceOf(world, path.net);
      const prefix = blockPrefix(path.block) as Cidr;
      const block = entry as Entry<Block>;
      keyspace.blocks.set(prefix, block);
      addTo(keyspace.blocksByHost, block.value.host, prefix);
      const length = prefixLength(prefix);
      keyspace.blockLengths.set(length, (keyspace.blockLengths.get(length) ?? 0) + 1);
    }
  }
}

function unindex(world: World, { path, entry }: Fact): void {
  switch (path.type) {
    case "network": {
      const network = entry as Entry<Network>;
      world.networks.delete(path.net);
      if (network.value.backend.type === "vxlan") dropFrom(world.byVni, network.value.backend.vni, path.net);
      return;
    }
    case "host":
      world.hosts.delete(path.host);
      return;
    case "member":
      keyspaceOf(world, path.net).members.delete(path.host);
      dropFrom(keyspaceOf(world, path.net).byAgent, (entry as Entry<Member>).value.address, path.host);
      dropFrom(world.memberships, path.host, path.net);
      break;
    case "container": {
      const container = entry as ContainerEntry;
      const { containers, byIp } = keyspaceOf(world, path.net);
      const ofHost = containers.get(path.host);
      ofHost?.delete(path.id);
      if (ofHost?.size === 0) containers.delete(path.host);
      if (container.value.ip !== undefined) dropClaim(byIp, container.value.ip, container);
      if (container.value.netns !== undefined)
        dropFrom(world.byNetns, `${path.host} ${container.value.netns}`, container);
      break;
    }
    case "block": {
      const keyspace = keyspaceOf(world, path.net);
      const prefix = blockPrefix(path.block) as Cidr;
      keyspace.blocks.delete(prefix);
      dropFrom(keyspace.blocksByHost, (entry as Entry<Block>).value.host, prefix);
      const left = (keyspace.blockLengths.get(prefixLength(prefix)) ?? 1) - 1;
      if (left === 0) keyspace.blockLengths.delete(prefixLength(prefix));
      else keyspace.blockLengths.set(prefixLength(prefix), left);
    }
  }
  dropIfEmpty(world, path.net);
}

function keyspaceOf(world: World, net: string): Keyspace {
  const found = world.keyspaces.get(net);
  if (found) return found;
  const keyspace = emptyKeyspace();
  world.keyspaces.set(net, keyspace);
  return keyspace;
}

function dropIfEmpty(world: World, net: string): void {
  const keyspace = world.keyspaces.get(net);
  if (keyspace && keyspace.members.size + keyspace.blocks.size + keyspace.containers.size === 0)
    world.keyspaces.delete(net);
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function dropFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
