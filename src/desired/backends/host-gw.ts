import { type Cidr, contains, type Ip } from "../../model/address.ts";
import type { RecordKey } from "../../model/keys.ts";
import type { Context } from "../context.ts";
import { inside, uplinkName } from "../names.ts";
import type { Row, Scope } from "../rows.ts";
import { uplinkAddresses } from "../uplinks.ts";
import type { Backend } from "./backend.ts";

/**
 * Plain routes over a segment that all hosts share: no encapsulation, no overhead. Packets cross the host's own
 * namespace, by the uplink, so each prefix takes a route in both namespaces.
 */
export const hostGateway: Backend = {
  mtu: (_, { underlay }) => underlay.mtu,

  network({ network, networkKey, me }) {
    // Addresses that nobody has must not follow the host's default route into the world.
    return [
      {
        kind: "route",
        scope: "host",
        key: network.cidr,
        value: { type: "unreachable", dst: network.cidr },
        because: [networkKey, me.key],
      },
    ];
  },

  peer: () => [],

  remote(context, { underlay }, dst, because) {
    const { outer } = uplinkAddresses(context.net, context.inputs);
    return [
      route("host", dst, context.self.underlay.dev, underlay, because),
      route(context.scope, dst, inside.uplink, outer, because, context.me.value.address),
    ];
  },

  local(context, dst, because) {
    const { inner } = uplinkAddresses(context.net, context.inputs);
    return [route("host", dst, uplinkName(context.net), inner, because)];
  },

  refusal({ self }: Context, { host, underlay }) {
    if (contains(self.underlay.prefix, underlay)) return undefined;
    return {
      code: "PEER_OFF_LINK",
      reason: `host ${host} at ${underlay} is not on-link: backend host-gw needs it within ${self.underlay.prefix} of ${self.underlay.dev}; use vxlan between segments`,
    };
  },
};

function route(scope: Scope, dst: Cidr, dev: string, via: Ip, because: readonly RecordKey[], src?: Ip): Row {
  return {
    kind: "route",
    scope,
    key: dst,
    value: { type: "unicast", dst, dev, via, ...(src && { src }), scope: "global" },
    because,
  };
}
