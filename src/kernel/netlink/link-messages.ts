import type { Link, Scope } from "../../desired/rows.ts";
import type { Ip, Mac } from "../../model/address.ts";
import type { NamespaceReference } from "../kernel.ts";
import * as c from "./constants.ts";
import { type Attributes, MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

/** A link as one message tells of it; numbers are interface indexes of its own namespace unless said otherwise. */
export interface LinkInfo {
  index: number;
  name: string;
  mac: Mac | undefined;
  mtu: number;
  up: boolean;
  master: number | undefined;
  /** The other end of a veth, an index in the other end's namespace. */
  peer: number | undefined;
  alias: string;
  /** `bridge`, `vxlan`, `xfrm`, `veth`; empty for hardware and loopback. */
  type: string;
  vxlan?: { vni: number; local: Ip | undefined; port: number; fixedSource: boolean };
  /** 0 where it looks for its SAs in its own namespace. */
  ifId?: number;
}

export function dumpLinks(): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  ifinfo(writer.begin(c.RTM_GETLINK, c.NLM_F_ROOT_MATCH), 0, 0, 0);
  return writer.number(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS).finish();
}

/** The message the cursor stands on, or `undefined` when it is none of a whole link: bridges tell of their ports too. */
export function readLink(message: MessageReader): LinkInfo | undefined {
  if (message.u8(0) !== c.AF_UNSPEC) return undefined;
  const attributes = message.attributes(16);
  const info = attributes.nested(c.IFLA_LINKINFO);
  const type = info?.text(c.IFLA_INFO_KIND) ?? "";
  const vxlan = type === "vxlan" ? readVxlan(info?.nested(c.IFLA_INFO_DATA)) : undefined;
  const isBornElsewhere = type === "xfrm" && attributes.has(c.IFLA_LINK_NETNSID);
  return {
    index: message.u32(4),
    name: attributes.text(c.IFLA_IFNAME) ?? "",
    mac: attributes.mac(c.IFLA_ADDRESS),
    mtu: attributes.u32(c.IFLA_MTU) ?? 0,
    up: (message.u32(8) & c.IFF_UP) !== 0,
    master: attributes.u32(c.IFLA_MASTER),
    peer: attributes.u32(c.IFLA_LINK),
    alias: attributes.text(c.IFLA_IFALIAS) ?? "",
    type,
    ...(vxlan && { vxlan }),
    ...(isBornElsewhere && { ifId: info?.nested(c.IFLA_INFO_DATA)?.u32(c.IFLA_XFRM_IF_ID) ?? 0 }),
  };
}

export function readLinks(dump: Uint8Array): LinkInfo[] {
  const links: LinkInfo[] = [];
  const reader = new MessageReader(dump);
  while (reader.next()) {
    const link = reader.type === c.RTM_NEWLINK ? readLink(reader) : undefined;
    if (link) links.push(link);
  }
  return links;
}

/** The lowest source port and the one past the highest: half open, so that it holds `port` alone. */
function sourceRange(port: number): number {
  return port * 0x1_0000 + port + 1;
}

function readVxlan(data: Attributes | undefined): LinkInfo["vxlan"] {
  if (!data) return undefined;
  const port = data.port(c.IFLA_VXLAN_PORT) ?? 0;
  return {
    vni: data.u32(c.IFLA_VXLAN_ID) ?? 0,
    local: data.ip(c.IFLA_VXLAN_LOCAL),
    port,
    fixedSource: data.u32be(c.IFLA_VXLAN_PORT_RANGE) === sourceRange(port),
  };
}

/**
 * Makes a bridge. It is given one byte less than the MTU wished: only a later, real change counts to the bridge as
 * "set by the user", and else it takes the MTU of whatever port comes or goes, 1500 when none is left.
 */
export function createBridge(writer: MessageWriter, name: string, link: Link): void {
  create(writer, name, link, link.mtu - 1).nested(c.IFLA_LINKINFO, () => {
    writer.text(c.IFLA_INFO_KIND, "bridge").nested(c.IFLA_INFO_DATA, () => {
      writer.number(c.IFLA_BR_FORWARD_DELAY, 0).number(c.IFLA_BR_STP_STATE, 0).flag(c.IFLA_BR_MCAST_SNOOPING, false);
    });
  });
}

/**
 * Makes a VXLAN device straight in `scope`, by a message that must be sent in the host's namespace: the device sends
 * and receives its outer packets where the message came from.
 */
export function createVxlan(
  writer: MessageWriter,
  scope: Scope,
  name: string,
  link: Extract<Link, { type: "vxlan" }>,
): NamespaceReference[] {
  create(writer, name, link, link.mtu);
  const reference = namespace(writer, scope);
  writer.nested(c.IFLA_LINKINFO, () => {
    writer.text(c.IFLA_INFO_KIND, "vxlan").nested(c.IFLA_INFO_DATA, () => {
      writer.number(c.IFLA_VXLAN_ID, link.vni).ip(c.IFLA_VXLAN_LOCAL, link.local);
      writer.flag(c.IFLA_VXLAN_LEARNING, false).port(c.IFLA_VXLAN_PORT, link.port);
      if (link.fixedSource) writer.u32be(c.IFLA_VXLAN_PORT_RANGE, sourceRange(link.port));
    });
  });
  return [reference];
}

/**
 * Makes an xfrm interface in the host's namespace, where it looks for policies and SAs for life, and moves it to `scope`
 * and its name there, which takes one message, but by its index. So it is given one, the if_id, which no other link of the
 * host has, and both messages go in one batch: nobody can meet it half made, nor can an agent die in between.
 */
export function createXfrm(
  writer: MessageWriter,
  scope: Scope,
  name: string,
  link: Extract<Link, { type: "xfrm" }>,
): NamespaceReference[] {
  const { ifId } = link;
  createXfrmHere(writer, xfrmBirthName(ifId), link, ifId);
  ifinfo(writer.begin(c.RTM_SETLINK, 0), ifId, 0, 0).text(c.IFLA_IFNAME, name);
  return [namespace(writer, scope)];
}

/** Makes an xfrm interface in the namespace that the message is sent in. */
export function createXfrmHere(
  writer: MessageWriter,
  name: string,
  link: Extract<Link, { type: "xfrm" }>,
  index = 0,
): void {
  create(writer, name, link, link.mtu, index).nested(c.IFLA_LINKINFO, () => {
    writer.text(c.IFLA_INFO_KIND, "xfrm").nested(c.IFLA_INFO_DATA, () => writer.number(c.IFLA_XFRM_IF_ID, link.ifId));
  });
}

/** `skx53000001`: what an xfrm interface is called in the host's namespace before it is moved. */
export function xfrmBirthName(ifId: number): string {
  return `skx${ifId.toString(16)}`;
}

/** Makes both ends of a pair, the far one straight in its own namespace and with the same MTU. */
export function createVeth(
  writer: MessageWriter,
  name: string,
  link: Extract<Link, { type: "veth" }>,
): NamespaceReference[] {
  const references: NamespaceReference[] = [];
  create(writer, name, link, link.mtu).nested(c.IFLA_LINKINFO, () => {
    writer.text(c.IFLA_INFO_KIND, "veth").nested(c.IFLA_INFO_DATA, () => {
      writer.nested(c.VETH_INFO_PEER, () => {
        ifinfo(writer, 0, 0, 0).text(c.IFLA_IFNAME, link.peer.name).number(c.IFLA_MTU, link.mtu);
        if (link.peer.mac) writer.mac(c.IFLA_ADDRESS, link.peer.mac);
        references.push(namespace(writer, link.peer.scope));
      });
    });
  });
  return references;
}

/** What a link's adjustment sets; whatever is absent stays. */
export interface LinkSettings {
  mtu?: number;
  mac?: Mac;
  /** An interface index; 0 takes the link out of its bridge. */
  master?: number;
  alias?: string;
}

/** Adjusts by name, so that it can follow the creation in one batch, before anybody knows the index. */
export function setLink(writer: MessageWriter, name: string, settings: LinkSettings): void {
  ifinfo(writer.begin(c.RTM_SETLINK, 0), 0, 0, 0).text(c.IFLA_IFNAME, name);
  if (settings.mtu !== undefined) writer.number(c.IFLA_MTU, settings.mtu);
  if (settings.mac !== undefined) writer.mac(c.IFLA_ADDRESS, settings.mac);
  if (settings.master !== undefined) writer.number(c.IFLA_MASTER, settings.master);
  if (settings.alias !== undefined) writer.text(c.IFLA_IFALIAS, settings.alias);
}

/** No IPv6 link-local address, so no router solicitations and no duplicate address detection on our links. */
export function setNoLinkLocal(writer: MessageWriter, name: string): void {
  ifinfo(writer.begin(c.RTM_SETLINK, 0), 0, 0, 0).text(c.IFLA_IFNAME, name);
  writer.nested(c.IFLA_AF_SPEC, () => {
    writer.nested(c.AF_INET6, () => writer.flag(c.IFLA_INET6_ADDR_GEN_MODE, true));
  });
}

export function setUp(writer: MessageWriter, name: string): void {
  ifinfo(writer.begin(c.RTM_SETLINK, 0), 0, c.IFF_UP, c.IFF_UP).text(c.IFLA_IFNAME, name);
}

export function deleteLinkNamed(writer: MessageWriter, name: string): void {
  ifinfo(writer.begin(c.RTM_DELLINK, 0), 0, 0, 0).text(c.IFLA_IFNAME, name);
}

export function deleteLink(writer: MessageWriter, index: number): void {
  ifinfo(writer.begin(c.RTM_DELLINK, 0), index, 0, 0);
}

/** One message that sets the link of this index up. */
export function setLinkUp(index: number): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter();
  return ifinfo(writer.begin(c.RTM_SETLINK, 0), index, c.IFF_UP, c.IFF_UP).finish();
}

/** Of an index of its own, unless one is given. */
function create(writer: MessageWriter, name: string, link: Link, mtu: number, index = 0): MessageWriter {
  ifinfo(writer.begin(c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL), index, 0, 0);
  writer.text(c.IFLA_IFNAME, name).number(c.IFLA_MTU, mtu);
  return link.mac ? writer.mac(c.IFLA_ADDRESS, link.mac) : writer;
}

function namespace(writer: MessageWriter, scope: Scope): NamespaceReference {
  writer.number(c.IFLA_NET_NS_FD, 0);
  return { at: writer.position - 4, scope };
}

/** struct ifinfomsg: family, pad, type, index, flags, change. */
function ifinfo(writer: MessageWriter, index: number, flags: number, change: number): MessageWriter {
  return writer.u8(c.AF_UNSPEC, 0).u16(0).u32(index).u32(flags).u32(change);
}
