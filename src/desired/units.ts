import { type Cidr, contains, firstOf, fromNumber, hostPrefix, type Ip, sizeOf, toNumber } from "../model/address.ts";
import { blockPrefix } from "../model/block.ts";
import { blockOf, claimants, claimsOf, wearersOf } from "../model/claims.ts";
import type { Change, ContainerEntry, Fact, Keyspace, World } from "../model/world.ts";
import { endpoint } from "./endpoint.ts";
import type { Derived, Inputs, Self } from "./inputs.ts";
import { nothing } from "./inputs.ts";
import { network } from "./network.ts";
import { peer } from "./peer.ts";
import { placesOf } from "./uplinks.ts";

/** A derivation unit: `network <net>`, `peer <net> <host>`, `endpoint <net> <host>/<id>`. */
export type UnitId = `${"network" | "peer" | "endpoint"} ${string}`;

export function networkOf(unit: UnitId): string {
  return unit.split(" ")[1] as string;
}

/** What a unit comes to in the world as it is. */
export function derive(unit: UnitId, inputs: Inputs): Derived {
  const [type, net, rest = ""] = unit.split(" ") as [string, string, string?];
  if (type === "network") return network(net, inputs);
  if (type === "peer") return peer(net, rest, inputs);
  const slash = rest.indexOf("/");
  return slash < 0 ? nothing : endpoint(net, rest.slice(0, slash), rest.slice(slash + 1), inputs);
}

/** Every unit there is: what a start derives, and what property tests hold incremental results against. */
export function* allUnits(world: World): Generator<UnitId> {
  const nets = new Set([...world.networks.keys(), ...world.keyspaces.keys()]);
  for (const net of nets) yield* unitsOf(net, world);
}

/** What attaches namespaces on this host, the oldest record first: of two names of one namespace the first to come has it. */
export function* attachmentsOf(world: World, host: string): Generator<UnitId> {
  const netns = world.byNetns.get(host);
  const entries = [...(netns?.keys() ?? [])].flatMap((path) => claimants(netns, path));
  for (const entry of entries.sort((a, b) => (a.created < b.created ? -1 : 1))) yield unitOfKey(entry);
}

export function* unitsOf(net: string, world: World): Generator<UnitId> {
  yield `network ${net}`;
  const keyspace = world.keyspaces.get(net);
  if (keyspace === undefined) return;
  for (const host of keyspace.members.keys()) yield `peer ${net} ${host}`;
  for (const ofHost of keyspace.containers.values())
    for (const entry of ofHost.values()) yield endpointUnit(net, entry);
}

/**
 * The units that a change may have altered, called when the world has taken it in. A superset is right, a subset is a
 * bug; the cost must not grow with the world, but for changes that touch all of a network.
 */
export function affected(change: Change, world: World, self: Self): Set<UnitId> {
  const units = new Set<UnitId>();
  for (const fact of [change.before, change.after])
    if (fact) for (const unit of touchedBy(fact, world, self)) units.add(unit);
  return units;
}

function* touchedBy(fact: Fact, world: World, self: Self): Generator<UnitId> {
  const { path, entry } = fact;
  switch (path.type) {
    case "network": {
      yield* unitsOf(path.net, world);
      yield* rivals(fact as Extract<Fact, { path: { type: "network" } }>, world);
      return;
    }
    case "host": {
      for (const net of world.memberships.get(path.host) ?? []) {
        yield `peer ${net} ${path.host}`;
        yield* outsiders(net, path.host, world);
      }
      return;
    }
    case "member": {
      if (path.host === self.host) {
        yield* unitsOf(path.net, world);
        yield* neighboursOfUplink(path.net, world, self);
        return;
      }
      const { address } = entry.value as { address: Ip };
      const keyspace = world.keyspaces.get(path.net);
      yield `peer ${path.net} ${path.host}`;
      yield* outsiders(path.net, path.host, world);
      if (keyspace) {
        yield* agentsAt(path.net, keyspace, address, world, self);
        yield* claimed(path.net, keyspace, address, self);
      }
      return;
    }
    case "block": {
      const { host } = entry.value as { host: string };
      yield routesTo(path.net, host, self);
      const keyspace = world.keyspaces.get(path.net);
      const prefix = blockPrefix(path.block);
      if (keyspace && prefix) for (const claim of claimsWithin(keyspace, prefix)) yield endpointUnit(path.net, claim);
      return;
    }
    // Names are no rows.
    case "service":
      return;
    case "container": {
      const container = entry as ContainerEntry;
      yield endpointUnit(path.net, container);
      const { ip, mac, netns } = container.value;
      const keyspace = world.keyspaces.get(path.net);
      if (ip && keyspace) {
        yield* claimed(path.net, keyspace, ip, self, container);
        yield* agentsAt(path.net, keyspace, ip, world, self);
      }
      if (path.host !== self.host) return;
      if (mac && keyspace)
        for (const wearer of wearersOf(keyspace, path.host, mac)) yield endpointUnit(path.net, wearer);
      if (netns) for (const claim of claimants(world.byNetns.get(path.host), netns)) yield unitOfKey(claim);
      return;
    }
  }
}

/** Networks that contend with this one for its VNI, or for the host's routes. */
function* rivals({ path, entry }: Extract<Fact, { path: { type: "network" } }>, world: World): Generator<UnitId> {
  const { backend } = entry.value;
  if (backend.type === "ipsec") return;
  const contenders =
    backend.type === "vxlan"
      ? (world.byVni.get(backend.vni) ?? [])
      : [...world.networks].filter(([, other]) => other.value.backend.type === "host-gw").map(([net]) => net);
  for (const net of contenders) if (net !== path.net) yield* unitsOf(net, world);
}

/** What depends on who has an address: its claimants, but for one that is known, and the block that holds it alone. */
function* claimed(net: string, keyspace: Keyspace, ip: Ip, self: Self, known?: ContainerEntry): Generator<UnitId> {
  for (const claim of claimsOf(keyspace, ip)) if (claim !== known) yield endpointUnit(net, claim);
  const block = keyspace.blockLengths.has(32) ? keyspace.blocks.get(hostPrefix(ip)) : undefined;
  if (block) yield routesTo(net, block.value.host, self);
}

/** The unit that wishes the routes of a host's blocks. */
function routesTo(net: string, host: string, self: Self): UnitId {
  return host === self.host ? `network ${net}` : `peer ${net} ${host}`;
}

/** What depends on which member has an agent address. */
function* agentsAt(net: string, keyspace: Keyspace, ip: Ip, world: World, self: Self): Generator<UnitId> {
  for (const host of keyspace.byAgent.get(ip) ?? []) {
    if (host === self.host) yield* unitsOf(net, world);
    yield `peer ${net} ${host}`;
    yield* outsiders(net, host, world);
  }
}

/** Places of uplinks are taken in order of names, so joining a network may move another's, if rarely. */
function* neighboursOfUplink(net: string, world: World, self: Self): Generator<UnitId> {
  const memberships = world.memberships.get(self.host) ?? new Set<string>();
  // In a full range a place that falls free may be anybody's.
  const full = memberships.size >= placesOf(self) - 1;
  for (const other of full ? world.networks.keys() : memberships) {
    if (other === net) continue;
    // With these it is in the rows of peers too.
    const type = world.networks.get(other)?.value.backend.type;
    if (full || type === "host-gw" || type === "ipsec") yield* unitsOf(other, world);
    else yield `network ${other}`;
  }
}

/** Containers of a host that its blocks do not cover: their routes name the host. */
function* outsiders(net: string, host: string, world: World): Generator<UnitId> {
  const keyspace = world.keyspaces.get(net);
  const network = world.networks.get(net);
  if (!keyspace || !network) return;
  for (const entry of keyspace.containers.get(host)?.values() ?? []) {
    const { ip } = entry.value;
    if (ip && blockOf(keyspace, ip, network.value.cidr)?.value.host !== host) yield endpointUnit(net, entry);
  }
}

/** By walking the block or the claims, whichever is shorter: a block made by hand may be as wide as the network. */
function* claimsWithin(keyspace: Keyspace, prefix: Cidr): Generator<ContainerEntry> {
  if (sizeOf(prefix) > keyspace.byIp.size) {
    for (const ip of keyspace.byIp.keys()) if (contains(prefix, ip)) yield* claimsOf(keyspace, ip);
    return;
  }
  const first = toNumber(firstOf(prefix));
  const end = first + sizeOf(prefix);
  for (let n = first; n < end; n++) {
    const ip = fromNumber(n);
    // A new block has nearly none, and is looked through whenever a host joins.
    if (keyspace.byIp.has(ip)) yield* claimsOf(keyspace, ip);
  }
}

function endpointUnit(net: string, { host, id }: ContainerEntry): UnitId {
  return `endpoint ${net} ${host}/${id}`;
}

/** For a container of whichever network: its key spells the unit. */
function unitOfKey(entry: ContainerEntry): UnitId {
  return endpointUnit(entry.key.split("/")[1] as string, entry);
}
