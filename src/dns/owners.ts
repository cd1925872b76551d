import { misplaced } from "../desired/place.ts";
import { type Ip, toNumber } from "../model/address.ts";
import { agentAt, claimsOf, oldest } from "../model/claims.ts";
import { domainOf, type Network } from "../model/network.ts";
import type { Keyspace } from "../model/world.ts";
import type { Named, ZoneSettings } from "./facts.ts";

/** Whom an address is called after: the container whose claim to it holds, as it does for rows; null for nobody. */
export function ownerOf(network: Network, keyspace: Keyspace, ip: Ip): Named | null {
  if (misplaced(network, ip) || agentAt(keyspace, ip) !== undefined) return null;
  const entry = oldest(claimsOf(keyspace, ip));
  if (entry === undefined) return null;
  const { name, stack, service, sidekick, aliases, health } = entry.value;
  return {
    name,
    ...(stack !== undefined && { stack }),
    ...(service !== undefined && { service }),
    ...(sidekick !== undefined && { sidekick }),
    ...(aliases !== undefined && { aliases }),
    // One that is starting is no more ready to be talked to than one that is ill.
    ...(health !== undefined && health !== "healthy" && { unhealthy: true }),
  };
}

/** An address as the server's thread indexes it: a small integer, which a map holds without a box. */
export function indexOf(ip: Ip): number {
  return toNumber(ip) | 0;
}

export function settingsOf(net: string, network: Network): ZoneSettings {
  const { ttl = 1, whenUnhealthy = "empty", upstreams } = network.dns ?? {};
  return {
    domain: domainOf(net, network),
    cidr: network.cidr,
    ttl,
    whenUnhealthy,
    ...(upstreams !== undefined && { upstreams }),
  };
}
