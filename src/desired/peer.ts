import { type Cidr, firstOf, overlaps, prefixLength } from "../model/address.ts";
import { isConfirmed } from "../model/block.ts";
import { agentAt, claimsOf, olderOwner, oldest } from "../model/claims.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Keyspace } from "../model/world.ts";
import type { Peer } from "./backends/backend.ts";
import { type Context, contextOf } from "./context.ts";
import { type Derived, type Inputs, nothing, type Skip } from "./inputs.ts";
import { misplaced } from "./place.ts";

/** What a network needs for one remote host: the way to it, and routes to its blocks. */
export function peer(net: string, host: string, inputs: Inputs): Derived {
  if (host === inputs.self.host) return nothing;
  const context = contextOf(net, inputs);
  if (context === undefined || !context.keyspace.members.has(host)) return nothing;
  const found = peerOf(context, host);
  if ("code" in found) return { rows: [], skipped: found };
  const routes = blocksOf(context, host).flatMap(({ prefix, key }) =>
    context.backend.remote(context, found, prefix, [key, ...found.because]),
  );
  return { rows: [...context.backend.peer(context, found), ...routes] };
}

/** The confirmed blocks that lead to a host. */
export function blocksOf({ keyspace, network }: Context, host: string): { prefix: Cidr; key: RecordKey }[] {
  return [...(keyspace.blocksByHost.get(host) ?? [])].flatMap((prefix) => {
    const block = keyspace.blocks.get(prefix);
    if (!block || !isConfirmed(block.value) || !isPartOf(network.cidr, prefix) || movedAway(keyspace, prefix, host))
      return [];
    return { prefix, key: block.key };
  });
}

/** A block outside the network, or as wide as it, would take others' traffic: no route leads to it, and it fills nothing. */
export function isPartOf(whole: Cidr, block: Cidr): boolean {
  return overlaps(whole, block) && prefixLength(block) > prefixLength(whole);
}

/** A block of one address leads nowhere else than the container that has it: its route is the container's to wish. */
function movedAway(keyspace: Keyspace, prefix: Cidr, host: string): boolean {
  if (prefixLength(prefix) !== 32) return false;
  const address = firstOf(prefix);
  const owner = oldest(claimsOf(keyspace, address));
  return owner !== undefined && owner.host !== host && agentAt(keyspace, address) === undefined;
}

/** A remote host as the backend needs it, or why it cannot be reached. */
export function peerOf(context: Context, host: string): Peer | Skip {
  const { keyspace, inputs, net, network, me, self } = context;
  const member = keyspace.members.get(host);
  const place = inputs.world.hosts.get(host);
  if (member === undefined)
    return { key: context.networkKey, code: "PEER_UNKNOWN", reason: `host ${host} is no member of network ${net}` };
  const skip = (code: Skip["code"], reason: string): Skip => ({ key: member.key, code, reason });
  if (place === undefined)
    return skip("PEER_UNKNOWN", `host ${host} has no record hosts/${host}: its underlay address is unknown`);
  const { address } = member.value;
  const odd = misplaced(network, address);
  if (odd) return skip(odd.code, `agent address ${odd.reason}`);
  const holder = address === me.value.address ? self.host : agentAt(keyspace, address);
  if (holder === undefined) {
    const owner = olderOwner(keyspace, member);
    return skip("ADDRESS_TAKEN", `agent address ${address} belongs to ${owner?.key}, which is older`);
  }
  if (holder !== host) return skip("ADDRESS_TAKEN", `agent address ${address} belongs to host ${holder}`);
  if (place.value.address === self.underlay.address)
    return {
      key: place.key,
      code: "ADDRESS_TAKEN",
      reason: `underlay address ${place.value.address} is this host's own`,
    };
  const found: Peer = {
    host,
    member: member.value,
    underlay: place.value.address,
    keys: place.value.ike?.keys ?? [],
    because: [member.key, place.key, context.networkKey],
  };
  const refused = context.backend.refusal(context, found);
  return refused ? { key: place.key, ...refused } : found;
}
