import { mark, type Route } from "../desired/rows.ts";
import type { Notice } from "../reconcile/kind.ts";
import type { LinkTable } from "./link-table.ts";
import * as c from "./netlink/constants.ts";
import { addRoute, dumpRoutes, type RouteInfo, readRoute, removeRoute } from "./netlink/route-messages.ts";
import { type RowCodec, unknownDevice } from "./row-codec.ts";

/** IPv4 routes of the main table with our protocol number. */
export const routes: RowCodec<"route"> = {
  kind: "route",
  dump: dumpRoutes,
  read(message, table) {
    const found = readRoute(message);
    // Another metric or tos makes another route, which may stand beside ours.
    if (!found || found.table !== c.RT_TABLE_MAIN || found.metric !== 0 || found.tos !== 0) return undefined;
    const gone: Notice = { type: "absent", kind: "route", scope: table.scope, key: found.dst };
    if (found.protocol !== mark.protocol) {
      // What took our route's place says so by this flag; ours left without a word.
      const isTaken = message.type === c.RTM_NEWROUTE && (message.flags & c.NLM_F_REPLACE) !== 0;
      return isTaken ? gone : undefined;
    }
    return message.type === c.RTM_DELROUTE ? gone : present(found, table);
  },
  dev: (route) => (route.type === "unicast" && route.dev !== "" ? route.dev : undefined),
  put: (writer, route, index) => addRoute(writer, route, index, false),
  claim: (writer, route, index) => addRoute(writer, route, index, true),
  remove: (writer, { dst }) => removeRoute(writer, dst),
  done: { put: [], remove: ["ESRCH", "ENODEV"] },
};

function present(found: RouteInfo, table: LinkTable): Notice {
  const { scope } = table;
  const { dst, index } = found;
  if (found.type === c.RTN_UNREACHABLE) {
    return { type: "present", row: { kind: "route", scope, key: dst, value: { type: "unreachable", dst } } };
  }
  // Several next hops, metrics, or a type we do not make: no wish has a route without device, so it is made anew.
  const isOdd = found.foreign || found.type !== c.RTN_UNICAST || index === undefined;
  const dev = isOdd ? "" : table.nameFor(index);
  if (dev === undefined) return unknownDevice("route", scope, index ?? 0);
  const value: Route = {
    type: "unicast",
    dst,
    dev,
    ...(found.via && { via: found.via }),
    ...(found.onlink && { onlink: true }),
    ...(found.src && { src: found.src }),
    scope: found.scope === c.RT_SCOPE_LINK ? "link" : "global",
  };
  return { type: "present", row: { kind: "route", scope, key: dst, value } };
}
