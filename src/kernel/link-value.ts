import { type Link, mark, type Scope } from "../desired/rows.ts";
import type { Ip } from "../model/address.ts";
import type { LinkTable } from "./link-table.ts";
import type { LinkInfo } from "./netlink/link-messages.ts";

/** Where the other end of a pair is wished, as its near end's alias has it. */
export interface PeerPlace {
  scope: Scope;
  name: string;
}

/**
 * `skein`, and on the near end of a pair also where the far end is: `skein at:/run/netns/mongo eth0`. The kernel itself
 * tells only an index in a numbered namespace.
 */
export function aliasOf(link: Link): string {
  return link.type === "veth" ? `${mark.alias} ${link.peer.scope} ${link.peer.name}` : mark.alias;
}

export function peerPlace({ alias, type }: LinkInfo): PeerPlace | undefined {
  const [first, scope, name, ...rest] = alias.split(" ");
  if (type !== "veth" || first !== mark.alias || name === undefined || rest.length > 0) return undefined;
  return { scope: scope as Scope, name };
}

/** In a network's namespace everything is ours, elsewhere only what says so. */
export function isOurs(scope: Scope, { alias, name }: LinkInfo): boolean {
  if (scope.startsWith("net:")) return name !== "lo";
  return alias === mark.alias || alias.startsWith(`${mark.alias} `);
}

/**
 * The link as a row has it; `undefined` for what no row of ours could be. A pair whose far end is not where it should be
 * has a peer without name, which no wish has, so it is made anew.
 */
export function linkValue(table: LinkTable, link: LinkInfo, peerTable: LinkTable | undefined): Link | undefined {
  if (!isOurs(table.scope, link)) return undefined;
  const common = { mtu: link.mtu, up: link.up, ...(link.mac && { mac: link.mac }) };
  switch (link.type) {
    case "bridge":
      return { type: "bridge", ...common };
    case "vxlan": {
      const { vni = 0, local, port = 0, fixedSource } = link.vxlan ?? {};
      const source = fixedSource && { fixedSource: true as const };
      return { type: "vxlan", vni, local: local ?? ("0.0.0.0" as Ip), port, ...source, ...common };
    }
    case "xfrm":
      return { type: "xfrm", ifId: link.ifId ?? 0, ...common };
    case "veth": {
      if (link.alias === mark.alias) return { type: "veth-peer", ...common };
      const place = peerPlace(link) ?? { scope: table.scope, name: "" };
      const master = link.master === undefined ? undefined : table.at(link.master)?.name;
      const name = isTorn(table, link, place, peerTable) ? "" : place.name;
      return { type: "veth", peer: { scope: place.scope, name }, ...(master && { master }), ...common };
    }
    default:
      return undefined;
  }
}

/** Whether the far end is known not to be where the alias says; what cannot be looked into is taken at its word. */
function isTorn(table: LinkTable, link: LinkInfo, place: PeerPlace, peerTable: LinkTable | undefined): boolean {
  if (!peerTable || place.name === "") return false;
  const peer = peerTable.named(place.name);
  return peer === undefined || !arePair(link, peer) || (peerTable === table && peer === link);
}

/** Each end names the other's index. */
export function arePair(one: LinkInfo, other: LinkInfo): boolean {
  return one.type === "veth" && other.type === "veth" && one.peer === other.index && other.peer === one.index;
}

/** Whether the link found fulfils the wish: an address the wish does not name may be any. */
export function linkFulfils(wish: Link, found: Link): boolean {
  if (wish.mtu !== found.mtu || wish.up !== found.up) return false;
  if (wish.mac !== undefined && wish.mac !== found.mac) return false;
  if (!isSameDevice(wish, found)) return false;
  return wish.type !== "veth" || found.type !== "veth" || wish.master === found.master;
}

/**
 * Whether the device itself is right, so that the rest can be adjusted in place. The far end's address is not compared:
 * it has a row of its own.
 */
export function isSameDevice(wish: Link, found: Link): boolean {
  switch (wish.type) {
    case "bridge":
    case "veth-peer":
      return wish.type === found.type;
    case "vxlan":
      return found.type === "vxlan" && vxlanPlace(wish) === vxlanPlace(found);
    case "xfrm":
      return found.type === "xfrm" && wish.ifId === found.ifId;
    case "veth":
      return found.type === "veth" && wish.peer.scope === found.peer.scope && wish.peer.name === found.peer.name;
  }
}

function vxlanPlace({ vni, local, port, fixedSource }: Extract<Link, { type: "vxlan" }>): string {
  return `${vni} ${local} ${port} ${fixedSource === true}`;
}
