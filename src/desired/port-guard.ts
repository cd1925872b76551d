import type { Ip, Mac } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Context } from "./context.ts";
import type { Row, Scope } from "./rows.ts";

/** The set of what may be sent from which port: interface, MAC and address together. */
const endpoints = "endpoints";

/**
 * Anti-spoofing on the bridge: a container sends from its own MAC and addresses only, in IPv4 and ARP only. What no rule
 * lets through is dropped, so router advertisements, DHCP servers and every other protocol go with it.
 */
export function portGuard({ scope, networkKey, me }: Context): Row[] {
  const because = [networkKey, me.key];
  return [
    {
      kind: "guard",
      scope,
      key: `bridge set ${endpoints}`,
      value: { object: "set", family: "bridge", name: endpoints, type: "ifname . ether_addr . ipv4_addr" },
      because,
    },
    {
      kind: "guard",
      scope,
      key: "bridge chain ports",
      value: {
        object: "chain",
        family: "bridge",
        name: "ports",
        hook: { type: "filter", hook: "prerouting", priority: -300, policy: "accept" },
        rules: [
          'iifname != "skc*" accept',
          // A container that answers as a DHCP server could hand its neighbours another gateway.
          "udp sport 67 drop",
          `ether type ip iifname . ether saddr . ip saddr @${endpoints} accept`,
          `ether type arp iifname . ether saddr . arp saddr ip @${endpoints} iifname . arp saddr ether . arp saddr ip @${endpoints} accept`,
          "drop",
        ],
      },
      because,
    },
  ];
}

/** What the container on `port` may send. */
export function portPermit(scope: Scope, port: string, mac: Mac, ip: Ip, because: readonly RecordKey[]): Row {
  const element = [port, mac, ip];
  return {
    kind: "guard",
    scope,
    key: `bridge element ${endpoints} ${element.join(" . ")}`,
    value: { object: "element", family: "bridge", set: endpoints, element },
    because,
  };
}
