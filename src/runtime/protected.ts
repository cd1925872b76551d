import type { Self, Underlay } from "../desired/inputs.ts";
import { hostPrefix, isIp } from "../model/address.ts";

/**
 * What no network may cover on this host. Endpoints given by name are not resolved: a name may come to mean another
 * address, and a network refused or not by the weather of DNS would be worse than one that is declared in error.
 */
export function protectedRanges(underlay: Underlay, endpoints: readonly string[]): Self["protected"] {
  const etcd = endpoints
    .filter((endpoint) => !endpoint.startsWith("unix:"))
    .map((endpoint) => new URL(endpoint).hostname)
    .filter(isIp);
  return [
    { prefix: underlay.prefix, what: `the underlay on ${underlay.dev}` },
    ...etcd.map((ip) => ({ prefix: hostPrefix(ip), what: "an etcd endpoint" })),
  ];
}
