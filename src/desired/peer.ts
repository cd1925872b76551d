import { type Cidr, contains, firstOf, overlaps, prefixLength } from "../model/address.ts";
import type { Peer } from "./backends/backend.ts";
import { type Context, contextOf } from "./context.ts";
import { type Derived, type Inputs, nothing, type Skip } from "./inputs.ts";

/** What a network needs for one remote host: the way to it, and routes to its blocks. */
export function peer(net: string, host: string, inputs: Inputs): Derived {
  if (host === inputs.self.host) return nothing;
  const context = contextOf(net, inputs);
  if (context === undefined || !context.keyspace.members.has(host)) return nothing;
  const found = peerOf(context, host);
  if ("code" in found) return { rows: [], skipped: found };
  const routes = [...(context.keyspace.blocksByHost.get(host) ?? [])].flatMap((prefix) => {
    const block = context.keyspace.blocks.get(prefix);
    if (!block || !isPartOf(context.network.cidr, prefix)) return [];
    return context.backend.remote(context, found, prefix, [block.key, ...found.because]);
  });
  return { rows: [...context.backend.peer(context, found), ...routes] };
}

/** A block outside the network, or as wide as it, would take others' traffic. */
export function isPartOf(whole: Cidr, block: Cidr): boolean {
  return overlaps(whole, block) && prefixLength(block) > prefixLength(whole);
}

/** A remote host as the backend needs it, or why it cannot be reached. */
export function peerOf(context: Context, host: string): Peer | Skip {
  const { keyspace, inputs, net, network, gateway, me } = context;
  const member = keyspace.members.get(host);
  const place = inputs.world.hosts.get(host);
  if (member === undefined)
    return { key: context.networkKey, code: "PEER_UNKNOWN", reason: `host ${host} is no member of network ${net}` };
  const skip = (code: Skip["code"], reason: string): Skip => ({ key: member.key, code, reason });
  if (place === undefined)
    return skip("PEER_UNKNOWN", `host ${host} has no record hosts/${host}: its underlay address is unknown`);
  const { address } = member.value;
  if (!contains(network.cidr, address))
    return skip("ADDRESS_OUTSIDE", `agent address ${address} is outside ${network.cidr}`);
  if (address === gateway || address === firstOf(network.cidr) || address === me.value.address)
    return skip("ADDRESS_RESERVED", `agent address ${address} is the gateway's, the network's or this host's own`);
  const first = firstHolder(context, address);
  if (first !== host) return skip("ADDRESS_TAKEN", `agent address ${address} belongs to host ${first}, which is older`);
  const found: Peer = {
    host,
    member: member.value,
    underlay: place.value.address,
    because: [member.key, place.key, context.networkKey],
  };
  const refused = context.backend.refusal(context, found);
  return refused ? { key: place.key, ...refused } : found;
}

/** Agent addresses are given out by compare-and-swap on blocks; two hosts at one address means records made by hand. */
function firstHolder({ keyspace }: Context, address: Parameters<typeof contains>[1]): string | undefined {
  const hosts = keyspace.byAgent.get(address);
  if (hosts === undefined || hosts.size === 1) return hosts?.values().next().value;
  const created = (host: string) => keyspace.members.get(host)?.created ?? 0n;
  return [...hosts].sort((a, b) => (created(a) < created(b) || (created(a) === created(b) && a < b) ? -1 : 1))[0];
}
