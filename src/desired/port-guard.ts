import { type Ip, type Mac, macOf } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Context } from "./context.ts";
import { type Nft, nftKey, type Row, type Scope } from "./rows.ts";

/** What may be sent from which port: interface, MAC and address together. */
const endpoints = "endpoints";
/** MACs that are on this bridge. */
const present = "present";

/**
 * Anti-spoofing on the bridge: a container sends from its own MAC and addresses only, in IPv4 and ARP only. What no rule
 * lets through is dropped, so router advertisements, DHCP servers and every other protocol go with it.
 *
 * Siblings answer ARP for themselves, so one that moves to another host leaves its MAC in their caches, for half a minute
 * and more. What is sent to a MAC that is not on this bridge therefore goes to the gateway, which knows the way.
 */
export function portGuard({ scope, networkKey, me, gateway }: Context): Row[] {
  const because = [networkKey, me.key];
  return [
    guard(scope, because, {
      object: "set",
      family: "bridge",
      name: endpoints,
      type: "ifname . ether_addr . ipv4_addr",
    }),
    guard(scope, because, { object: "set", family: "bridge", name: present, type: "ether_addr" }),
    guard(scope, because, {
      object: "chain",
      family: "bridge",
      name: "ports",
      hook: { type: "filter", hook: "prerouting", priority: -300, policy: "accept" },
      rules: [
        'iifname != "skc*" accept',
        // A container that answers as a DHCP server could hand its neighbours another gateway.
        "udp sport 67 drop",
        // `other`: unicast, and not to the gateway already. The kernel drops what is routed but not marked as ours.
        `meta pkttype other ether daddr != @${present} ether daddr set ${macOf(gateway)} meta pkttype set host`,
        `ether type ip iifname . ether saddr . ip saddr @${endpoints} accept`,
        `ether type arp iifname . ether saddr . arp saddr ip @${endpoints} iifname . arp saddr ether . arp saddr ip @${endpoints} accept`,
        "drop",
      ],
    }),
  ];
}

/** What the container on `port` may send, and that it is here. */
export function portPermit(scope: Scope, port: string, mac: Mac, ip: Ip, because: readonly RecordKey[]): Row[] {
  return [
    guard(scope, because, { object: "element", family: "bridge", set: endpoints, element: [port, mac, ip] }),
    guard(scope, because, { object: "element", family: "bridge", set: present, element: [mac] }),
  ];
}

function guard(scope: Scope, because: readonly RecordKey[], value: Nft): Row {
  return { kind: "guard", scope, key: nftKey(value), value, because };
}
