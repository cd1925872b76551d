import type { Service } from "../model/service.ts";

/** What one address of a network is called; the address has one owner or none. Crosses from the agent's thread to the server's. */
export interface Named {
  name: string;
  stack?: string;
  service?: string;
  sidekick?: string;
  aliases?: readonly string[];
  /** Absent where it is healthy, or nobody said. */
  unhealthy?: true;
}

/** What holds for all names of a network. */
export interface ZoneSettings {
  domain: string;
  cidr: string;
  /** Seconds. */
  ttl: number;
  whenUnhealthy: "empty" | "all";
  /** Absent: the host's. */
  upstreams?: "none" | readonly string[];
}

/** One piece of news for the server, in the order it happened. */
export type ZoneNews =
  /** The network's names are answered from here on, or by other settings. */
  | { type: "zone"; net: string; settings: ZoneSettings }
  /** Pairs of an address as a number and its owner; null: nobody's any more. */
  | { type: "names"; net: string; owners: readonly (readonly [address: number, owner: Named | null])[] }
  | { type: "service"; net: string; stack: string; service: string; record: Service | null }
  /** Its names are answered no more, and its sockets closed. */
  | { type: "drop"; net: string }
  /** Sockets bound in the network's namespace, given away. */
  | { type: "listen"; net: string; udp: number; tcp: number }
  /** Its namespace is gone: sockets are closed, names stay. */
  | { type: "deafen"; net: string }
  /** Domains of all networks: none is ever asked outside. */
  | { type: "domains"; domains: readonly string[] };
