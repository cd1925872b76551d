import { type Cidr, hostPrefix, prefixLength } from "../../model/address.ts";
import type { Context } from "../context.ts";
import type { Self, Skip } from "../inputs.ts";
import { hash32 } from "../names.ts";
import { type Child, type Policy, policyKey, policyPriority, type Row } from "../rows.ts";
import type { Peer } from "./backend.ts";

/**
 * Diffie-Hellman again for each CHILD_SA but the first of an IKE_SA, which takes that one's: a key that is found out opens
 * one hour only (RFC 7296, 1.2 and 1.3.1).
 */
const group = "x25519";

/** Names a connection in charon, and its row. */
export function connectionName(host: string): string {
  return `conn-${host}`;
}

/** Why no SA with a peer is to be had. */
export function keyless({ ipsec }: Self, { host, keys }: Peer): Pick<Skip, "code" | "reason"> | undefined {
  if (ipsec.auth.type === "psk" || keys.length > 0) return undefined;
  return {
    code: "PEER_KEYLESS",
    reason: `host ${host} has published no IKE key: its agent is of a version without encryption, or proves itself by a secret`,
  };
}

/** The connection, which all networks shared with the peer wish alike, and one child of it. */
export function tunnel({ self }: Context, peer: Peer, name: string, child: Omit<Child, "type" | "proposals">): Row[] {
  const { host, underlay, keys, because } = peer;
  const { auth, encap, ciphers } = self.ipsec;
  const connection = connectionName(host);
  const row = (key: string, value: Extract<Row, { kind: "tunnel" }>["value"]): Row => ({
    kind: "tunnel",
    scope: "host",
    key,
    value,
    because,
  });
  return [
    row(connection, {
      type: "connection",
      host,
      local: self.underlay.address,
      remote: underlay,
      encap,
      auth: auth.type === "psk" ? { type: "psk" } : { type: "pubkey", own: auth.own, peer: keys },
    }),
    row(`${connection} ${name}`, {
      type: "child",
      ...child,
      proposals: ciphers.map((cipher) => `${cipher}-${group}`),
    }),
  ];
}

/** What two hosts send from one UDP port to the same is ESP, or nothing; networks in clear send from others. */
export function transport(context: Context, peer: Peer, port: number): Row[] {
  const [mine, theirs] = [hostPrefix(context.self.underlay.address), hostPrefix(peer.underlay)];
  // Of the address, which is all that the policies know of the peer: no two may want different SAs for one.
  const reqid = reqidOf(peer.underlay);
  const rest = { udp: port, priority: policyPriority, mode: "transport", reqid } as const;
  return [
    policy({ dir: "out", src: mine, dst: theirs, ...rest }, peer.because),
    policy({ dir: "in", src: theirs, dst: mine, ...rest }, peer.because),
    ...tunnel(context, peer, `vxlan-${port}`, {
      mode: "transport",
      selector: `dynamic[udp/${port}]`,
      label: "vxlan",
      reqid,
    }),
  ];
}

/**
 * A prefix behind a peer is reached through ESP, and what comes from it came from that peer. The kernel takes the first
 * policy that matches, by priority only, so a longer prefix goes first: a moved container's address, before its old block.
 */
export function through({ self }: Context, peer: Peer, prefix: Cidr, ifId: number, because: Row["because"]): Row[] {
  const [mine, theirs] = [self.underlay.address, peer.underlay];
  const anywhere = "0.0.0.0/0" as Cidr;
  const rest = {
    ifId,
    priority: policyPriority + 32 - prefixLength(prefix),
    mode: "tunnel",
    reqid: reqidOf(peer.host),
  } as const;
  return [
    policy({ dir: "out", src: anywhere, dst: prefix, ...rest, outer: { src: mine, dst: theirs } }, because),
    policy({ dir: "in", src: prefix, dst: anywhere, ...rest, outer: { src: theirs, dst: mine } }, because),
  ];
}

function policy(value: Policy, because: Row["because"]): Row {
  return { kind: "policy", scope: "host", key: policyKey(value), value, because };
}

/**
 * Ties a peer's SAs to policies, and to no other peer's, though two behind one NAT have one address. charon counts its own
 * from 1, so the upper half is ours.
 */
export function reqidOf(host: string): number {
  return (hash32(host) | 0x80000000) >>> 0;
}
