import { macOf } from "../model/address.ts";
import { isEncrypted } from "../model/network.ts";
import type * as model from "../model/world.ts";
import type {
  ContainerEntry,
  ContainersAnswer,
  HostEntry,
  HostsAnswer,
  NetworkEntry,
  NetworksAnswer,
} from "./answers.ts";
import { byName } from "./sort.ts";
import type { AgentView, NetworkState } from "./view.ts";

/** What etcd says, as this host has seen it; lists are sorted by name. */
export function showNetworks(view: AgentView): NetworksAnswer {
  const { world, host } = view;
  const states = new Map(view.networks().map((state) => [state.net, state]));
  const networks = [...world.networks].map(([net, { key, value }]): NetworkEntry => {
    const keyspace = world.keyspaces.get(net);
    const refused = states.get(net)?.skipped.find((skip) => skip.key === key);
    return {
      network: net,
      cidr: value.cidr,
      backend: value.backend.type,
      ...(value.backend.type === "vxlan" && { vni: value.backend.vni, port: value.backend.port }),
      encrypted: isEncrypted(value),
      ...(value.mtu !== undefined && { mtu: value.mtu }),
      internal: value.internal,
      members: keyspace?.members.size ?? 0,
      containers: [...containersOf(keyspace)].length,
      joined: keyspace?.members.has(host) ?? false,
      ...(refused && { refused: refused.reason }),
    };
  });
  return { networks: networks.sort(byName("network")) };
}

/** @param alive undefined where nobody knows */
export function showHosts(view: AgentView, alive: ReadonlySet<string> | undefined): HostsAnswer {
  const { world } = view;
  const containers = new Map<string, number>();
  for (const keyspace of world.keyspaces.values())
    for (const [host, ofHost] of keyspace.containers) containers.set(host, (containers.get(host) ?? 0) + ofHost.size);
  const names = new Set([...world.hosts.keys(), ...world.memberships.keys(), ...containers.keys()]);
  const hosts = [...names].map((host): HostEntry => {
    const address = world.hosts.get(host)?.value.address;
    return {
      host,
      ...(address !== undefined && { address }),
      ...(alive !== undefined && { alive: alive.has(host) }),
      networks: membershipsOf(host, world),
      containers: containers.get(host) ?? 0,
      self: host === view.host,
    };
  });
  return { hosts: hosts.sort(byName("host")) };
}

/** @param net absent: of every network */
export function showContainers(view: AgentView, net?: string): ContainersAnswer {
  const problems = problemsOf(view);
  const containers: ContainerEntry[] = [];
  for (const network of [...view.world.keyspaces.keys()].sort()) {
    if (net !== undefined && network !== net) continue;
    const ofNetwork = [...containersOf(view.world.keyspaces.get(network))];
    ofNetwork.sort((a, b) => (a.host === b.host ? byName("id")(a, b) : byName("host")(a, b)));
    for (const entry of ofNetwork) containers.push(showContainer(network, entry, problems.get(entry.key)));
  }
  return { containers };
}

function showContainer(network: string, entry: model.ContainerEntry, problem: string | undefined): ContainerEntry {
  const { host, id, value } = entry;
  const { name, ip, netns, stack, service } = value;
  const mac = value.mac ?? (ip && macOf(ip));
  return {
    network,
    host,
    id,
    name,
    ...(ip && { ip }),
    ...(mac && { mac }),
    ...(netns !== undefined && { netns }),
    ...(stack !== undefined && { stack }),
    ...(service !== undefined && { service }),
    ...(problem !== undefined && { problem }),
  };
}

function* containersOf(keyspace: model.Keyspace | undefined): Generator<model.ContainerEntry> {
  for (const ofHost of keyspace?.containers.values() ?? []) yield* ofHost.values();
}

function membershipsOf(host: string, { memberships, keyspaces }: model.World): HostEntry["networks"] {
  return [...(memberships.get(host) ?? [])].sort().flatMap((network) => {
    const member = keyspaces.get(network)?.members.get(host);
    return member === undefined ? [] : [{ network, address: member.value.address }];
  });
}

/** By the record's key: why it was skipped, or the first of its rows that failed. */
function problemsOf(view: AgentView): Map<string, string> {
  const problems = new Map<string, string>();
  for (const state of view.networks()) {
    for (const [key, message] of failuresOf(state)) if (!problems.has(key)) problems.set(key, message);
    for (const { key, reason } of state.skipped) problems.set(key, reason);
  }
  return problems;
}

function* failuresOf({ failed }: NetworkState): Generator<[string, string]> {
  for (const { row, failure } of failed) {
    // The nearest cause only: all rows follow from the network too, and it is not its problem.
    const nearest = "because" in row ? row.because[0] : undefined;
    if (nearest !== undefined) yield [nearest, failure.message];
  }
}
