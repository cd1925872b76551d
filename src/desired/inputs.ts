import type { Cidr, Ip } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";
import type { World } from "../model/world.ts";
import type { Cipher } from "./backends/esp.ts";
import type { PublicKey, Row } from "./rows.ts";

/** The interface that carries the overlay's outer packets. */
export interface Underlay {
  dev: string;
  address: Ip;
  /** What is on-link there. */
  prefix: Cidr;
  mtu: number;
}

/** What of IPsec this host can do, and how it does it. */
export interface Ipsec {
  /** What is missing, in an operator's words: `ESP in the kernel (CONFIG_INET_ESP)`. Encrypted networks are refused for it. */
  missing: readonly string[];
  /** ESP ciphers that the kernel has, the best first; see ciphers of backends/esp.ts. */
  ciphers: readonly Cipher[];
  /** See Connection. */
  encap: boolean;
  /** The key that this host proves itself by; with `psk` it has none, and needs none of its peers. */
  auth: { type: "pubkey"; own: PublicKey } | { type: "psk" };
}

/** What this host knows without etcd. */
export interface Self {
  host: string;
  underlay: Underlay;
  /** Where the addresses of uplinks are taken from, two a network; seen on this host only. */
  uplinks: Cidr;
  ipsec: Ipsec;
  /** Ranges that no network may cover, with what they are: the underlay, etcd. */
  protected: readonly { prefix: Cidr; what: string }[];
}

/** All that derivation may look at. No clock, no kernel, no log. */
export interface Inputs {
  world: World;
  self: Self;
}

/** Why a record leads to no rows on this host; an operator reads it in status. */
export interface Skip {
  key: RecordKey;
  code: SkipCode;
  reason: string;
}

export type SkipCode =
  | "VNI_TAKEN"
  | "CIDR_TAKEN"
  | "CIDR_OVERLAP"
  | "HOST_EXCLUDED"
  | "ADDRESS_MISSING"
  | "NETWORK_FULL"
  | "ADDRESS_OUTSIDE"
  | "ADDRESS_RESERVED"
  | "ADDRESS_TAKEN"
  | "MAC_TAKEN"
  | "NETNS_TAKEN"
  | "NETNS_RESERVED"
  | "UPLINKS_FULL"
  | "PEER_UNKNOWN"
  | "PEER_OFF_LINK"
  | "PEER_KEYLESS"
  | "IPSEC_UNSUPPORTED"
  | "NETWORK_UNKNOWN";

/** What a unit comes to. */
export interface Derived {
  rows: readonly Row[];
  skipped?: Skip;
}

/** One object for the many units that come to nothing: in a large world nearly all do. */
export const nothing: Derived = { rows: [] };
