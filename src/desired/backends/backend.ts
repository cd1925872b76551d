import type { Cidr, Ip } from "../../model/address.ts";
import type { RecordKey } from "../../model/keys.ts";
import type { Member } from "../../model/member.ts";
import type { Network } from "../../model/network.ts";
import type { Context } from "../context.ts";
import type { Self, Skip } from "../inputs.ts";
import type { PublicKey, Row } from "../rows.ts";
import { hostGateway } from "./host-gw.ts";
import { ipsec } from "./ipsec.ts";
import { vxlan } from "./vxlan.ts";

/** A remote host in a network. */
export interface Peer {
  host: string;
  member: Member;
  /** Where it is on the underlay. */
  underlay: Ip;
  /** What it may prove itself by in IKE; none where its record names none. */
  keys: readonly PublicKey[];
  because: readonly RecordKey[];
}

/** How packets get from one host to another. Everything else of a network is the same for every backend. */
export interface Backend {
  /** The largest packet of the network, in octets, that still goes over the underlay in one piece. */
  mtu(network: Network, self: Self): number;
  /** What the network needs once: its tunnel device and what guards it. */
  network(context: Context): Row[];
  /** What a remote host needs once. */
  peer(context: Context, peer: Peer): Row[];
  /** How a prefix behind a remote host is reached. */
  remote(context: Context, peer: Peer, dst: Cidr, because: readonly RecordKey[]): Row[];
  /** How a prefix of this host is reached from outside the network's namespace, where the backend needs that. */
  local(context: Context, dst: Cidr, because: readonly RecordKey[]): Row[];
  /** Why a remote host cannot be reached this way. */
  refusal(context: Context, peer: Peer): Pick<Skip, "code" | "reason"> | undefined;
}

export function backendOf(network: Network): Backend {
  switch (network.backend.type) {
    case "ipsec":
      return ipsec;
    case "vxlan":
      return vxlan;
    case "host-gw":
      return hostGateway;
  }
}
