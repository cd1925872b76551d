import type { Ip } from "../model/address.ts";
import type { RecordKey } from "../model/keys.ts";
import type { Member } from "../model/member.ts";
import { gatewayOf, type Network } from "../model/network.ts";
import type { Entry, Keyspace } from "../model/world.ts";
import { refusal } from "./admission.ts";
import { type Backend, backendOf } from "./backends/backend.ts";
import type { Inputs, Self } from "./inputs.ts";
import type { Scope } from "./rows.ts";

/** A network that this host takes part in, as derivation sees it. */
export interface Context {
  inputs: Inputs;
  self: Self;
  net: string;
  network: Network;
  networkKey: RecordKey;
  keyspace: Keyspace;
  /** This host's own membership. */
  me: Entry<Member>;
  backend: Backend;
  gateway: Ip;
  /** Of bridges, tunnels and containers alike. */
  mtu: number;
  scope: Scope;
}

/**
 * The context of a network this host is a member of; `undefined` where the network is unknown or refused, or this host
 * is no member: then nothing of it is derived.
 */
export function contextOf(net: string, inputs: Inputs): Context | undefined {
  const { world, self } = inputs;
  const entry = world.networks.get(net);
  const keyspace = world.keyspaces.get(net);
  const me = keyspace?.members.get(self.host);
  if (!entry || !keyspace || !me || refusal(net, inputs)) return undefined;
  const backend = backendOf(entry.value);
  return {
    inputs,
    self,
    net,
    network: entry.value,
    networkKey: entry.key,
    keyspace,
    me,
    backend,
    gateway: gatewayOf(entry.value),
    mtu: Math.min(entry.value.mtu ?? Number.POSITIVE_INFINITY, backend.mtu(entry.value, self)),
    scope: `net:${net}`,
  };
}
