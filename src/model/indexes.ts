import { type Cidr, prefixLength } from "./address.ts";
import { type Block, blockPrefix } from "./block.ts";
import { addClaim, dropClaim } from "./claims.ts";
import type { Host } from "./host.ts";
import type { Member } from "./member.ts";
import type { Network } from "./network.ts";
import type { Service } from "./service.ts";
import type { ContainerEntry, Entry, Fact, Keyspace, World } from "./world.ts";

/** Enters a record in every map it belongs to. */
export function index(world: World, { path, entry }: Fact): void {
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
      if (container.value.netns !== undefined) {
        const ofPath = world.byNetns.get(path.host) ?? new Map();
        world.byNetns.set(path.host, ofPath);
        addClaim(ofPath, container.value.netns, container);
      }
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
      return;
    }
    case "service":
      keyspaceOf(world, path.net).services.set(`${path.stack}/${path.service}`, entry as Entry<Service>);
  }
}

/** The inverse of `index`: leaves no empty map behind. */
export function unindex(world: World, { path, entry }: Fact): void {
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
      const ofPath = world.byNetns.get(path.host);
      if (ofPath && container.value.netns !== undefined) {
        dropClaim(ofPath, container.value.netns, container);
        if (ofPath.size === 0) world.byNetns.delete(path.host);
      }
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
      break;
    }
    case "service":
      keyspaceOf(world, path.net).services.delete(`${path.stack}/${path.service}`);
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
  if (
    keyspace &&
    keyspace.members.size + keyspace.blocks.size + keyspace.containers.size + keyspace.services.size === 0
  )
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

function emptyKeyspace(): Keyspace {
  return {
    members: new Map(),
    byAgent: new Map(),
    blocks: new Map(),
    blocksByHost: new Map(),
    blockLengths: new Map(),
    containers: new Map(),
    byIp: new Map(),
    services: new Map(),
  };
}
