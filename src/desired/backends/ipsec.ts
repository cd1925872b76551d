import type { Context } from "../context.ts";
import { forwarding } from "../forwarding.ts";
import { inside } from "../names.ts";
import { firstIfId } from "../rows.ts";
import { placeOf } from "../uplinks.ts";
import type { Backend } from "./backend.ts";
import { espRoom } from "./esp.ts";
import { keyless, reqidOf, through, tunnel } from "./security.ts";

/**
 * ESP in tunnel mode (RFC 4303), SAs by IKEv2. The network's xfrm interface sends what a policy of its number names, and
 * drops everything else: without policy or SA nothing leaves. What comes in by it was decrypted by an SA of that number.
 */
export const ipsec: Backend = {
  mtu: (_, { underlay, ipsec }) => espRoom(underlay.mtu, ipsec),

  network(context) {
    const { scope, mtu, networkKey, me } = context;
    const because = [networkKey, me.key];
    return [
      { kind: "link", scope, key: inside.xfrm, value: { type: "xfrm", ifId: ifIdOf(context), mtu, up: true }, because },
      forwarding(scope, inside.xfrm, because),
    ];
  },

  peer(context, peer) {
    const { net } = context;
    return tunnel(context, peer, `child-${net}`, {
      mode: "tunnel",
      selector: "0.0.0.0/0",
      label: net,
      reqid: reqidOf(peer.host),
      ifId: ifIdOf(context),
    });
  },

  remote(context, peer, dst, because) {
    const { scope, me } = context;
    return [
      ...through(context, peer, dst, ifIdOf(context), because),
      {
        kind: "route",
        scope,
        key: dst,
        value: { type: "unicast", dst, dev: inside.xfrm, src: me.value.address, scope: "link" },
        because,
      },
    ];
  },

  local: () => [],
  refusal: ({ self }, peer) => keyless(self, peer),
};

/** Keeps the SAs of this host's networks apart. */
function ifIdOf({ net, inputs }: Context): number {
  return firstIfId + placeOf(net, inputs);
}
