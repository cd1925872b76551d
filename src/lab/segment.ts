import { type Cidr, firstOf, fromNumber, type Ip, prefixLength, sizeOf, toNumber } from "../model/address.ts";
import { LabError } from "./error.ts";

/** The addresses of a lab's wire: hosts from below, what serves them from above. */
export interface Segment {
  /** Prefix length. */
  readonly length: number;
  /** The wire's own address, where etcd listens. */
  readonly wire: Ip;
  /** The hosts' default gateway, which is the outside. */
  readonly gateway: Ip;
  /** Of the n-th host, counted from 1. */
  host(n: number): Ip;
}

/** @throws LabError BAD_SUBNET when that many hosts do not fit */
export function segmentOf(subnet: Cidr, hosts: number): Segment {
  const size = sizeOf(subnet);
  // Neither the first nor the last address is anybody's, and two are taken.
  if (hosts < 1 || hosts > size - 4)
    throw new LabError("BAD_SUBNET", `Cannot create lab: expected 1 to ${size - 4} hosts in ${subnet}, got ${hosts}`);
  const nth = (n: number) => fromNumber(toNumber(firstOf(subnet)) + n);
  return { length: prefixLength(subnet), wire: nth(size - 2), gateway: nth(size - 3), host: nth };
}
