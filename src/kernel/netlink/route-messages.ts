import { mark, type Route } from "../../desired/rows.ts";
import { type Cidr, firstOf, type Ip, prefixLength } from "../../model/address.ts";
import * as c from "./constants.ts";
import type { MessageReader } from "./reader.ts";
import { MessageWriter } from "./writer.ts";

export interface RouteInfo {
  dst: Cidr;
  protocol: number;
  table: number;
  tos: number;
  metric: number;
  type: number;
  scope: number;
  onlink: boolean;
  index: number | undefined;
  via: Ip | undefined;
  src: Ip | undefined;
  /** Has what no route of ours has: several next hops, a nexthop object, metrics. */
  foreign: boolean;
}

/** Of the main table and our protocol only: the kernel filters, since a host may hold a full BGP table. */
export function dumpRoutes(): Uint8Array<ArrayBuffer> {
  const writer = new MessageWriter().begin(c.RTM_GETROUTE, c.NLM_F_ROOT_MATCH);
  return header(writer, 0, c.RT_TABLE_MAIN, mark.protocol, 0, 0, 0).finish();
}

export function readRoute(message: MessageReader): RouteInfo | undefined {
  if (message.u8(0) !== c.AF_INET) return undefined;
  const attributes = message.attributes(12);
  return {
    dst: `${attributes.ip(c.RTA_DST) ?? "0.0.0.0"}/${message.u8(1)}` as Cidr,
    protocol: message.u8(5),
    table: attributes.u32(c.RTA_TABLE) ?? message.u8(4),
    tos: message.u8(3),
    metric: attributes.u32(c.RTA_PRIORITY) ?? 0,
    type: message.u8(7),
    scope: message.u8(6),
    onlink: (message.u32(8) & c.RTNH_F_ONLINK) !== 0,
    index: attributes.u32(c.RTA_OIF),
    via: attributes.ip(c.RTA_GATEWAY),
    src: attributes.ip(c.RTA_PREFSRC),
    foreign: attributes.has(c.RTA_MULTIPATH) || attributes.has(c.RTA_NH_ID) || attributes.has(c.RTA_METRICS),
  };
}

/** `exclusive` refuses where a route to the prefix exists, whoever made it; else it takes that route's place. */
export function addRoute(writer: MessageWriter, route: Route, index: number | undefined, exclusive: boolean): void {
  writer.begin(c.RTM_NEWROUTE, c.NLM_F_CREATE | (exclusive ? c.NLM_F_EXCL : c.NLM_F_REPLACE));
  const length = prefixLength(route.dst);
  if (route.type === "unreachable") {
    header(writer, length, c.RT_TABLE_MAIN, mark.protocol, c.RT_SCOPE_UNIVERSE, c.RTN_UNREACHABLE, 0);
  } else {
    const scope = route.scope === "link" ? c.RT_SCOPE_LINK : c.RT_SCOPE_UNIVERSE;
    const flags = route.onlink ? c.RTNH_F_ONLINK : 0;
    header(writer, length, c.RT_TABLE_MAIN, mark.protocol, scope, c.RTN_UNICAST, flags);
  }
  writer.ip(c.RTA_DST, firstOf(route.dst));
  if (route.type === "unreachable") return;
  if (index !== undefined) writer.number(c.RTA_OIF, index);
  if (route.via) writer.ip(c.RTA_GATEWAY, route.via);
  if (route.src) writer.ip(c.RTA_PREFSRC, route.src);
}

/** Of any type and scope, but only of our protocol: another's route to the prefix stays. */
export function removeRoute(writer: MessageWriter, dst: Cidr): void {
  header(writer.begin(c.RTM_DELROUTE, 0), prefixLength(dst), c.RT_TABLE_MAIN, mark.protocol, c.RT_SCOPE_NOWHERE, 0, 0);
  writer.ip(c.RTA_DST, firstOf(dst));
}

/** struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags. */
function header(
  writer: MessageWriter,
  length: number,
  table: number,
  protocol: number,
  scope: number,
  type: number,
  flags: number,
): MessageWriter {
  return writer.u8(c.AF_INET, length, 0, 0, table, protocol, scope, type).u32(flags);
}
