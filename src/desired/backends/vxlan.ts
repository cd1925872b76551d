import type { Ip } from "../../model/address.ts";
import { isEncrypted } from "../../model/network.ts";
import { hostGuard, untracked } from "../chain.ts";
import type { Context } from "../context.ts";
import { forwarding } from "../forwarding.ts";
import { inside } from "../names.ts";
import { type Nft, nftKey, type Row } from "../rows.ts";
import type { Backend } from "./backend.ts";
import { espRoom } from "./esp.ts";
import { keyless, transport } from "./security.ts";

/** UDP 8, VXLAN 8, inner Ethernet 14. */
const headers = 30;

/**
 * VXLAN (RFC 7348) without learning or flooding: one neighbour, one forwarding entry and the routes of its blocks a
 * peer. The guard knows packets of this network by port and VNI, so that others' VXLAN on the port is left alone.
 *
 * Encrypted, what passes between two hosts on the port is ESP in transport mode, one SA for all networks; the guard then
 * drops what would leave or has come without it, whatever becomes of policies and SAs.
 */
export const vxlan: Backend = {
  mtu: (network, self) =>
    (isEncrypted(network) ? espRoom(self.underlay.mtu, self.ipsec) : self.underlay.mtu - 20) - headers,

  network(context) {
    const { self, net, network, me, mtu, scope, networkKey } = context;
    const { vni, port } = settings(context);
    const { dev, address } = self.underlay;
    const because = [networkKey, me.key];
    const mine = `udp dport ${port} @th,96,24 ${vni}`;
    const isSealed = isEncrypted(network);
    const peers: Nft = { object: "set", family: "inet", name: peersOf(net), type: "ipv4_addr" };
    return [
      { kind: "guard", scope: "host", key: nftKey(peers), value: peers, because },
      hostGuard(
        `vxlan-${net}`,
        "input",
        [
          ...(isSealed ? [`${mine} meta ipsec missing drop`] : []),
          `${mine} iifname "${dev}" ip daddr ${address} ip saddr @${peersOf(net)} accept`,
          `${mine} drop`,
        ],
        because,
      ),
      ...(isSealed ? [hostGuard(`sealed-${net}`, "output", [`${mine} rt ipsec missing drop`], because)] : []),
      // What a container of any other network sends to a peer leaves with this host's address, and would be heard.
      hostGuard(`transit-${net}`, "forward", [`${mine} iifname != "${dev}" drop`], because),
      ...(isSealed ? [] : outerUntracked(address, port, because)),
      {
        kind: "link",
        scope,
        key: inside.tunnel,
        value: {
          type: "vxlan",
          vni,
          local: address,
          port,
          // One policy covers what comes from the port and goes to it.
          ...(isSealed && { fixedSource: true }),
          mac: me.value.mac,
          mtu,
          up: true,
        },
        because,
      },
      forwarding(scope, inside.tunnel, because),
    ];
  },

  peer(context, peer) {
    const { net, scope, network } = context;
    const { member, underlay, because } = peer;
    return [
      ...(isEncrypted(network) ? transport(context, peer, settings(context).port) : []),
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
  refusal: ({ network, self }, peer) => (isEncrypted(network) ? keyless(self, peer) : undefined),
};

/**
 * An outer packet leaves from a port by its inner flow, and nothing comes back to that: each flow of each container would be
 * a connection that is never answered. One rule for all networks of the port; `@th,64,32` is a VXLAN header's beginning, and
 * hardly that of anything else which is translated to the port. Those of encrypted networks leave from the port itself: one
 * flow a peer, and firewalls may let in what is `established`.
 */
function outerUntracked(address: Ip, port: number, because: Row["because"]): Row[] {
  const outer = `udp sport != ${port} udp dport ${port} @th,64,32 0x8000000`;
  return [
    untracked("host", `untracked-in-${address}-${port}`, "prerouting", `${outer} ip daddr ${address}`, because),
    untracked("host", `untracked-out-${address}-${port}`, "output", `${outer} ip saddr ${address}`, because),
  ];
}

function settings({ network: { backend } }: Context): { vni: number; port: number } {
  if (backend.type !== "vxlan")
    throw new TypeError(`Cannot derive vxlan rows: expected backend vxlan, got ${backend.type}`);
  return backend;
}

function peersOf(net: string): string {
  return `vxlan-peers-${net}`;
}
