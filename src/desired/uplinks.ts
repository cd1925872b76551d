import { firstOf, fromNumber, type Ip, sizeOf, toNumber } from "../model/address.ts";
import type { Inputs, Self } from "./inputs.ts";
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
 */
export function uplinkAddresses(net: string, inputs: Inputs): UplinkAddresses {
  const outer = toNumber(firstOf(inputs.self.uplinks)) + 2 * placeOf(net, inputs);
  return { outer: fromNumber(outer), inner: fromNumber(outer + 1) };
}

/**
 * A number from 0 that no other network of this host has: its uplink's place, and what its xfrm interface is known by.
 *
 * The choice is a digest of the name, so that it holds over restarts and mostly over other networks' coming and going;
 * where two digests meet, the later name takes the next free place.
 */
export function placeOf(net: string, inputs: Inputs): number {
  const { self } = inputs;
  const places = placesOf(self);
  const taken = new Set<number>();
  for (const name of namesWith(net, inputs)) {
    if (taken.size === places) break;
    let place = hash32(name) % places;
    while (taken.has(place)) place = (place + 1) % places;
    if (name === net) return place;
    taken.add(place);
  }
  throw new Error(`Cannot place uplink: expected ${net} to have a place in ${self.uplinks}, got none left`);
}

/** Whether there is a place for the network's uplink: a full range serves the first by name. */
export function hasPlace(net: string, inputs: Inputs): boolean {
  const { world, self } = inputs;
  const places = placesOf(self);
  return (world.memberships.get(self.host)?.size ?? 0) < places || namesWith(net, inputs).indexOf(net) < places;
}

/** How many uplinks the range holds; at as many memberships it is full. */
export function placesOf({ uplinks }: Self): number {
  return Math.floor(sizeOf(uplinks) / 2);
}

/** Networks that this host is in, and this one, in the order that places are given out. */
function namesWith(net: string, { world, self }: Inputs): string[] {
  return [...new Set(world.memberships.get(self.host)).add(net)].sort();
}
