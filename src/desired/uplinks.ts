import { firstOf, fromNumber, type Ip, sizeOf, toNumber } from "../model/address.ts";
import type { Inputs } from "./inputs.ts";
import { hash32 } from "./names.ts";

export interface UplinkAddresses {
  /** The host's end. */
  outer: Ip;
  /** The end in the network's namespace. */
  inner: Ip;
}

/**
 * The /31 of a network's uplink. Egress is translated to `inner` in the network's namespace first, so that networks
 * with equal CIDRs stay apart in the host's connection tracking; that takes an address no other uplink of this host has.
 *
 * The choice is a digest of the name, so that it holds over restarts and mostly over other networks' coming and going;
 * where two digests meet, the later name takes the next free place.
 */
export function uplinkAddresses(net: string, { world, self }: Inputs): UplinkAddresses {
  const places = sizeOf(self.uplinks) / 2;
  const taken = new Set<number>();
  for (const name of [...(world.memberships.get(self.host) ?? []), net].sort()) {
    let place = hash32(name) % places;
    while (taken.has(place) && taken.size < places) place = (place + 1) % places;
    if (name === net) return pair(place);
    taken.add(place);
  }
  throw new Error(`Cannot place uplink: expected ${net} among its own names`);

  function pair(place: number): UplinkAddresses {
    const outer = toNumber(firstOf(self.uplinks)) + 2 * place;
    return { outer: fromNumber(outer), inner: fromNumber(outer + 1) };
  }
}
