import type { Context } from "../context.ts";
import { forwarding } from "../forwarding.ts";
import { inside } from "../names.ts";
import type { Nft, Row } from "../rows.ts";
import type { Backend } from "./backend.ts";

/**
 * VXLAN (RFC 7348) without learning or flooding: one neighbour, one forwarding entry and the routes of its blocks a
 * peer. The guard knows packets of this network by port and VNI, so that others' VXLAN on the port is left alone.
 */
export const vxlan: Backend = {
  // outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14
  overhead: 50,

  network(context) {
    const { self, net, me, mtu, scope, networkKey } = context;
    const { vni, port } = settings(context);
    const because = [networkKey, me.key];
    const mine = `udp dport ${port} @th,96,24 ${vni}`;
    return [
      guard({ object: "set", family: "inet", name: peersOf(net), type: "ipv4_addr" }),
      chain(`vxlan-${net}`, "input", [
        `${mine} iifname != "${self.underlay.dev}" drop`,
        `${mine} ip daddr != ${self.underlay.address} drop`,
        `${mine} ip saddr != @${peersOf(net)} drop`,
      ]),
      // What a container of any other network sends to a peer leaves with this host's address, and would be heard.
      chain(`transit-${net}`, "forward", [`${mine} iifname != "${self.underlay.dev}" drop`]),
      {
        kind: "link",
        scope,
        key: inside.tunnel,
        value: { type: "vxlan", vni, local: self.underlay.address, port, mac: me.value.mac, mtu, up: true },
        because,
      },
      forwarding(scope, inside.tunnel, because),
    ];

    function chain(name: string, hook: "input" | "forward", rules: string[]): Row {
      return guard({
        object: "chain",
        family: "inet",
        name,
        hook: { type: "filter", hook, priority: -10, policy: "accept" },
        rules,
      });
    }

    function guard(value: Nft): Row {
      const key = value.object === "element" ? value.set : value.name;
      return { kind: "guard", scope: "host", key: `${value.family} ${value.object} ${key}`, value, because };
    }
  },

  peer({ net, scope }, { member, underlay, because }) {
    return [
      {
        kind: "guard",
        scope: "host",
        key: `inet element ${peersOf(net)} ${underlay}`,
        value: { object: "element", family: "inet", set: peersOf(net), element: [underlay] },
        because,
      },
      {
        kind: "neighbour",
        scope,
        key: `${inside.tunnel} ${member.address}`,
        value: { dev: inside.tunnel, ip: member.address, lladdr: member.mac },
        because,
      },
      {
        kind: "fdb",
        scope,
        key: `${inside.tunnel} ${member.mac}`,
        value: { dev: inside.tunnel, lladdr: member.mac, dst: underlay },
        because,
      },
    ];
  },

  remote({ scope, me }, { member }, dst, because) {
    return [
      {
        kind: "route",
        scope,
        key: dst,
        value: {
          type: "unicast",
          dst,
          dev: inside.tunnel,
          via: member.address,
          onlink: true,
          src: me.value.address,
          scope: "global",
        },
        because,
      },
    ];
  },

  local: () => [],
  refusal: () => undefined,
};

function settings({ network: { backend } }: Context): { vni: number; port: number } {
  if (backend.type !== "vxlan")
    throw new TypeError(`Cannot derive vxlan rows: expected backend vxlan, got ${backend.type}`);
  return backend;
}

function peersOf(net: string): string {
  return `vxlan-peers-${net}`;
}
