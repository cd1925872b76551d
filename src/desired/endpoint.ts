import { type Cidr, hostPrefix, type Ip, type Mac, macOf, prefixLength } from "../model/address.ts";
import { agentAt, blockOf, claimants, claimsOf, oldest, wearersOf } from "../model/claims.ts";
import type { ContainerEntry } from "../model/world.ts";
import { type Context, contextOf } from "./context.ts";
import { type Derived, type Inputs, nothing, type SkipCode } from "./inputs.ts";
import { inside, portName } from "./names.ts";
import { peerOf } from "./peer.ts";
import { misplaced } from "./place.ts";
import { portPermit } from "./port-guard.ts";
import { resolver } from "./resolver.ts";
import { mark, type Row, type Scope } from "./rows.ts";

/** What one container needs on this host: its attachment where it is ours, a route where its address lies outside its host's blocks. */
export function endpoint(net: string, host: string, id: string, inputs: Inputs): Derived {
  const { world, self } = inputs;
  const keyspace = world.keyspaces.get(net);
  const entry = keyspace?.containers.get(host)?.get(id);
  if (!keyspace || !entry) return nothing;
  const { ip } = entry.value;
  const network = world.networks.get(net);
  if (host !== self.host) {
    // Nearly every container of a large world ends here.
    if (!network || ip === undefined || blockOf(keyspace, ip, network.value.cidr)?.value.host === host) return nothing;
    const context = contextOf(net, inputs);
    return context === undefined ? nothing : remote(context, entry, ip);
  }
  if (ip === undefined) return skip(entry, "ADDRESS_MISSING", "it has no address yet");
  if (network === undefined) return skip(entry, "NETWORK_UNKNOWN", `there is no record networks/${net}`);
  const context = contextOf(net, inputs);
  return context === undefined ? nothing : local(context, entry, ip);
}

function remote(context: Context, entry: ContainerEntry, ip: Ip): Derived {
  const unfit = misfit(context, entry, ip);
  if (unfit) return unfit;
  const peer = peerOf(context, entry.host);
  if ("code" in peer) return nothing; // said once, by the peer's own unit, when that host becomes a member
  return { rows: context.backend.remote(context, peer, hostPrefix(ip), [entry.key, ...peer.because]) };
}

function local(context: Context, entry: ContainerEntry, ip: Ip): Derived {
  const unfit = misfit(context, entry, ip) ?? unattachable(context, entry);
  if (unfit) return unfit;
  const { scope, networkKey, me, net, network, mtu, keyspace, self } = context;
  const because = [entry.key, networkKey, me.key];
  const dst = hostPrefix(ip);
  const own = blockOf(keyspace, ip, network.cidr)?.value.host === self.host;
  const outside = own ? [] : context.backend.local(context, dst, because);
  const { netns } = entry.value;
  if (netns === undefined) return { rows: outside };

  const port = portName(net, entry.host, entry.id);
  const mac = entry.value.mac ?? macOf(ip);
  const there: Scope = `at:${netns}`;
  const dev = inside.container;
  const bridge = inside.bridge;
  const rows: Row[] = [
    ...portPermit(scope, port, mac, ip, because),
    {
      kind: "link",
      scope,
      key: port,
      value: { type: "veth", mtu, up: true, master: bridge, peer: { scope: there, name: dev, mac } },
      because,
    },
    { kind: "neighbour", scope, key: `${bridge} ${ip}`, value: { dev: bridge, ip, lladdr: mac }, because },
    {
      kind: "route",
      scope,
      key: dst,
      value: { type: "unicast", dst, dev: bridge, src: me.value.address, scope: "link" },
      because,
    },
    ...inContainer(context, there, ip, mac, because),
    ...resolver(context, entry.value, because),
    ...outside,
  ];
  return { rows };
}

function inContainer(
  { mtu, network, gateway }: Context,
  scope: Scope,
  ip: Ip,
  mac: Mac,
  because: Row["because"],
): Row[] {
  const dev = inside.container;
  const address = `${ip}/${prefixLength(network.cidr)}` as const;
  const dst = "0.0.0.0/0" as Cidr;
  return [
    { kind: "link", scope, key: dev, value: { type: "veth-peer", mac, mtu, up: true }, because },
    { kind: "address", scope, key: `${dev} ${address}`, value: { dev, address }, because },
    { kind: "route", scope, key: dst, value: { type: "unicast", dst, dev, via: gateway, scope: "global" }, because },
  ];
}

/** Why an address cannot be this container's, in this network. */
function misfit({ network, keyspace }: Context, entry: ContainerEntry, ip: Ip): Derived | undefined {
  const odd = misplaced(network, ip);
  if (odd) return skip(entry, odd.code, `ip ${odd.reason}`);
  const agent = agentAt(keyspace, ip);
  if (agent !== undefined) return skip(entry, "ADDRESS_TAKEN", `ip ${ip} is the agent address of host ${agent}`);
  const owner = oldest(claimsOf(keyspace, ip));
  return owner === entry || owner === undefined
    ? undefined
    : skip(entry, "ADDRESS_TAKEN", `ip ${ip} belongs to ${owner.key}, which is older`);
}

/**
 * Why a container is not attached. Its namespace takes one eth0, so of several records that name it, the oldest has it.
 * And it is none of ours: an eth0 in another network's namespace would join what must never meet. Two of one MAC on one
 * bridge would take each other's packets.
 */
function unattachable({ inputs, keyspace }: Context, entry: ContainerEntry): Derived | undefined {
  const { netns, mac } = entry.value;
  if (netns === undefined) return undefined;
  const wearer = mac && oldest(wearersOf(keyspace, entry.host, mac));
  if (wearer && wearer !== entry)
    return skip(entry, "MAC_TAKEN", `mac ${mac} belongs to ${wearer.key}, which is older`);
  if (netns.slice(netns.lastIndexOf("/") + 1).startsWith(mark.namespace))
    return skip(entry, "NETNS_RESERVED", `netns ${netns} has the name of a network's own namespace`);
  const owner = oldest(claimants(inputs.world.byNetns.get(entry.host), netns));
  return owner === entry || owner === undefined
    ? undefined
    : skip(entry, "NETNS_TAKEN", `netns ${netns} belongs to ${owner.key}, which is older`);
}

function skip({ key }: ContainerEntry, code: SkipCode, reason: string): Derived {
  return { rows: [], skipped: { key, code, reason } };
}
