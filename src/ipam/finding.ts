import type { Cidr, Ip } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";

/** Something about a network's addresses that is not as it should be. `key` is where it shows, `reason` is for people. */
export type Finding = { net: string; key: RecordKey; reason: string } & (
  | { type: "leak"; ip: Ip }
  /** What stands under an address's key is no claim. */
  | { type: "malformed"; ip: Ip }
  | { type: "unclaimed"; ip: Ip; record: RecordKey }
  /** Somebody must decide which record gives way; until then the older has the address. */
  | { type: "double"; ip: Ip; records: RecordKey[] }
  | { type: "outside"; ip: Ip; record: RecordKey }
  | { type: "stray-block"; prefix: Cidr; host: string }
  | { type: "pending-block"; prefix: Cidr; host: string }
  /** No fault, but room: a block of which nothing is in use, and an address long rested. Only collection heeds them. */
  | { type: "spare-block"; prefix: Cidr; host: string }
  | { type: "rested"; ip: Ip }
);

/** What stands in the way of a repair only a person can clear. */
export function isRepairable({ type }: Finding): boolean {
  return type !== "double" && type !== "outside";
}

export function isFault({ type }: Finding): boolean {
  return type !== "spare-block" && type !== "rested";
}
