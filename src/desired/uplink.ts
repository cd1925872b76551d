import { type Cidr, type Ip, macOf } from "../model/address.ts";
import { chain, hostGuard, untracked } from "./chain.ts";
import type { Context } from "./context.ts";
import { forwarding } from "./forwarding.ts";
import { anyUplink, inside, uplinkName } from "./names.ts";
import type { Row, Scope } from "./rows.ts";
import { uplinkAddresses } from "./uplinks.ts";

/**
 * The pair between a network's namespace and the host's: the way out, and with host-gw the way to everybody.
 *
 * Egress is translated twice: in the network's namespace to the uplink's inner address, which no other network of this
 * host has, then in the host's to whatever interface leads on. So two networks with equal CIDRs never meet in one table.
 */
export function uplink(context: Context): Row[] {
  const { network, networkKey, me, scope, net, inputs, self } = context;
  const routed = network.backend.type === "host-gw";
  if (network.internal && !routed) return [];
  const because = [networkKey, me.key];
  const dev = uplinkName(net);
  const { outer, inner } = uplinkAddresses(net, inputs);
  const mtu = self.underlay.mtu;
  return [
    {
      kind: "link",
      scope: "host",
      key: dev,
      value: {
        type: "veth",
        mac: macOf(outer),
        mtu,
        up: true,
        peer: { scope, name: inside.uplink, mac: macOf(inner) },
      },
      because,
    },
    {
      kind: "link",
      scope,
      key: inside.uplink,
      value: { type: "veth-peer", mac: macOf(inner), mtu, up: true },
      because,
    },
    address("host", dev, outer),
    address(scope, inside.uplink, inner),
    { kind: "sysctl", scope: "host", key: "net.ipv4.ip_forward", value: { value: "1" }, because },
    forwarding(scope, inside.uplink, because),
    forwardGuard(context, dev, routed, because),
    inputGuard(context, dev, outer, because),
    ...(network.internal ? [] : egress(context, outer, because)),
  ];

  function address(scope: Scope, dev: string, ip: Ip): Row {
    const address = `${ip}/31`;
    return { kind: "address", scope, key: `${dev} ${address}`, value: { dev, address }, because };
  }
}

/** Nothing comes in by an uplink that was not asked for, and no network's uplink leads to another's. */
function forwardGuard({ net, network }: Context, dev: string, routed: boolean, because: Row["because"]): Row {
  const inward = routed ? [`oifname "${dev}" ip saddr ${network.cidr} ip daddr ${network.cidr} accept`] : [];
  // What is for the network itself has the tunnel for its way, or none.
  const astray = routed ? [] : [`iifname "${dev}" ip daddr ${network.cidr} drop`];
  const outward = network.internal ? [`iifname "${dev}" ip daddr != ${network.cidr} drop`] : [];
  return hostGuard(
    `forward-${net}`,
    "forward",
    [
      `iifname "${dev}" oifname "${anyUplink}" drop`,
      ...astray,
      ...outward,
      ...inward,
      `oifname "${dev}" ct state established,related accept`,
      `oifname "${dev}" drop`,
    ],
    because,
  );
}

/**
 * The host has the outer ends of all uplinks, and answers at each whichever way it is asked: what is for another
 * network's end crosses no forward chain. An internal network may answer the host, and ask it nothing.
 */
function inputGuard({ net, network, self }: Context, dev: string, outer: Ip, because: Row["because"]): Row {
  const rules = network.internal
    ? [`iifname "${dev}" ct state established,related accept`, `iifname "${dev}" drop`]
    : [`iifname "${dev}" ip daddr ${self.uplinks} ip daddr != ${outer} drop`];
  return hostGuard(`input-${net}`, "input", rules, because);
}

function egress({ scope, network, self }: Context, outer: Ip, because: Row["because"]): Row[] {
  const dst = "0.0.0.0/0" as Cidr;
  return [
    {
      kind: "route",
      scope,
      key: dst,
      value: { type: "unicast", dst, dev: inside.uplink, via: outer, scope: "global" },
      because,
    },
    untracked(scope, "untracked", "prerouting", `ip saddr ${network.cidr} ip daddr ${network.cidr}`, because),
    masquerade(scope, `oifname "${inside.uplink}" ip daddr != ${network.cidr} masquerade`, because),
    // One rule for all networks: each wishes the same row, and the last to go takes it along.
    masquerade("host", `ip saddr ${self.uplinks} oifname != "${anyUplink}" masquerade`, because),
  ];
}

function masquerade(scope: Scope, rule: string, because: Row["because"]): Row {
  // nft takes none of its own words for a name, such as masquerade or fwd.
  return chain("translation", scope, "uplinks", { type: "nat", hook: "postrouting", priority: 100 }, [rule], because);
}
