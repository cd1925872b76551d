import type { Cidr, Ip } from "./address.ts";
import { type Block, blockPrefix } from "./block.ts";
import type { Claims } from "./claims.ts";
import type { Container } from "./container.ts";
import type { Decoded } from "./decode.ts";
import type { Host } from "./host.ts";
import { index, unindex } from "./indexes.ts";
import { type KeyPath, parseKey, type RecordKey } from "./keys.ts";
import type { Member } from "./member.ts";
import type { Network } from "./network.ts";
import type { Service } from "./service.ts";

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
  byIp: Claims<Ip>;
  /** By `<stack>/<service>`. */
  services: Map<string, Entry<Service>>;
}

/** What etcd says, as plain indexed maps. Output of everything after it depends on this state only, never on the path to it. */
export interface World {
  networks: Map<string, Entry<Network>>;
  byVni: Map<number, Set<string>>;
  hosts: Map<string, Entry<Host>>;
  /** A keyspace may be there before its network, and stay after it. */
  keyspaces: Map<string, Keyspace>;
  /** Containers of any network by host, then by the namespace they ask for. */
  byNetns: Map<string, Claims<string>>;
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

/** A record in force before or after a change, by the type of its path. */
export type Fact =
  | { path: Extract<KeyPath, { type: "network" }>; entry: Entry<Network> }
  | { path: Extract<KeyPath, { type: "host" }>; entry: Entry<Host> }
  | { path: Extract<KeyPath, { type: "member" }>; entry: Entry<Member> }
  | { path: Extract<KeyPath, { type: "container" }>; entry: ContainerEntry }
  | { path: Extract<KeyPath, { type: "block" }>; entry: Entry<Block> }
  | { path: Extract<KeyPath, { type: "service" }>; entry: Entry<Service> };

/** What one change did to the world: the record before and after; neither where it was none of the world's. */
export interface Change {
  before?: Fact;
  after?: Fact;
}

/** Takes a record in, in place of the one that had its key. */
export function put(world: World, decoded: Decoded, created: bigint): Change {
  const { before } = remove(world, decoded.path);
  const entry = { key: decoded.key, value: decoded.value, created };
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
    case "service":
      return world.keyspaces.get(path.net)?.services.get(`${path.stack}/${path.service}`);
    case "alive":
    case "beacon":
    case "claim":
    case "leader":
    case "status":
      return undefined;
  }
}
