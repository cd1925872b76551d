import { hostPrefix, type Ip, macOf } from "../model/address.ts";
import { refusal } from "./admission.ts";
import { type Context, contextOf } from "./context.ts";
import { forwarding } from "./forwarding.ts";
import type { Derived, Inputs } from "./inputs.ts";
import { nothing } from "./inputs.ts";
import { inside } from "./names.ts";
import { blocksOf } from "./peer.ts";
import { portGuard } from "./port-guard.ts";
import { mark, type Row } from "./rows.ts";
import { uplink } from "./uplink.ts";

/**
 * What a network needs once on each of its hosts:
 *
 *     container eth0 ── veth ── br0 (gateway, agent address, 169.254.169.250)
 *                                │  namespace skein-<net>
 *                                ├── the backend's tunnel device
 *                                └── up0 ── uplink ── host namespace
 */
export function network(net: string, inputs: Inputs): Derived {
  const skipped = refusal(net, inputs);
  if (skipped) return { rows: [], skipped };
  const context = contextOf(net, inputs);
  if (context === undefined) return nothing;
  const because = [context.networkKey, context.me.key];
  return {
    rows: [
      { kind: "namespace", scope: "host", key: `${mark.namespace}${net}`, value: {}, because },
      ...portGuard(context),
      ...bridge(context),
      ...context.backend.network(context),
      ...uplink(context),
      ...ownBlocks(context),
    ],
  };
}

/** Where clients find DNS in every network, and what a container can always ping. */
export const serviceAddress = hostPrefix("169.254.169.250" as Ip);

function bridge({ scope, gateway, me, mtu, network, networkKey }: Context): Row[] {
  const because = [networkKey, me.key];
  const dev = inside.bridge;
  return [
    // The same address and MAC on every host and for life: nothing in a container's ARP cache ever goes stale.
    { kind: "link", scope, key: dev, value: { type: "bridge", mac: macOf(gateway), mtu, up: true }, because },
    ...[hostPrefix(me.value.address), hostPrefix(gateway), serviceAddress].map(
      (address): Row => ({ kind: "address", scope, key: `${dev} ${address}`, value: { dev, address }, because }),
    ),
    // Proxy ARP answers for what is routed elsewhere; this keeps it silent about addresses that nobody has.
    { kind: "route", scope, key: network.cidr, value: { type: "unreachable", dst: network.cidr }, because },
    forwarding(scope, dev, because),
    ...Object.entries(sysctls).map(
      ([key, value]): Row => ({ kind: "sysctl", scope, key, value, because: [networkKey, me.key] }),
    ),
  ];
}

/** A namespace inherits the host's settings, so each is said, whatever the kernel's own default. */
const sysctls: Record<string, Extract<Row, { kind: "sysctl" }>["value"]> = {
  "net.ipv4.ip_forward": { value: "1" },
  [`net.ipv4.conf.${inside.bridge}.proxy_arp`]: { value: "1" },
  // The default makes a container wait up to 0.8 s for its first ARP answer.
  [`net.ipv4.neigh.${inside.bridge}.proxy_delay`]: { value: "0" },
  // All addresses look on-link to a container; it must not be told a better way.
  "net.ipv4.conf.all.send_redirects": { value: "0" },
  [`net.ipv4.conf.${inside.bridge}.send_redirects`]: { value: "0" },
  // Either may be inherited from the host, and would keep the gateway from answering.
  "net.ipv4.conf.all.arp_ignore": { value: "0" },
  [`net.ipv4.conf.${inside.bridge}.arp_ignore`]: { value: "0" },
  // A container may be reached by one host and answer by another while it moves; sources are checked at the port.
  "net.ipv4.conf.all.rp_filter": { value: "0" },
  [`net.ipv4.conf.${inside.bridge}.rp_filter`]: { value: "0" },
  // IPv6 is not carried yet; what is not guarded is off, router advertisements with it (CVE-2020-10749).
  "net.ipv6.conf.all.disable_ipv6": { value: "1", optional: true },
  "net.ipv6.conf.default.disable_ipv6": { value: "1", optional: true },
  // 1 in each new namespace where br_netfilter is loaded: others' rules would see packets between containers.
  "net.bridge.bridge-nf-call-iptables": { value: "0", optional: true },
  "net.bridge.bridge-nf-call-arptables": { value: "0", optional: true },
};

function ownBlocks(context: Context): Row[] {
  const { self, me, networkKey, backend } = context;
  return blocksOf(context, self.host).flatMap(({ prefix, key }) =>
    backend.local(context, prefix, [key, me.key, networkKey]),
  );
}
