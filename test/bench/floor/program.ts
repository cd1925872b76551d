import { openSync } from "node:fs";
import { addForwarding, addNeighbour } from "../../../src/kernel/netlink/neighbour-messages.ts";
import { addRoute } from "../../../src/kernel/netlink/route-messages.ts";
import { MessageWriter } from "../../../src/kernel/netlink/writer.ts";
import { type Cidr, hostPrefix, type Ip } from "../../../src/model/address.ts";
import { peerAt, strayAt } from "../world.ts";
import { element, transaction } from "./element.ts";
import { watchRaw } from "./raw-watch.ts";
import { openSender } from "./sender.ts";

/**
 * What no agent can beat on this machine: the callback of a raw watch stream sends netlink messages that lie ready, in
 * the same thread, and nothing else happens: no decoding, no world, no comparison, no second thread.
 *
 * Arguments: ENDPOINT PREFIX NAMESPACE SOURCE VIA COUNT. Keys end in `c7` for the seventh container, `p7` for the seventh host.
 */
const [endpoint, prefix, namespace, source, via, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  Ip,
  Ip,
  string,
];
const sender = openSender(openSync(namespace, "r"));
const tunnel = sender.indexOf("vx0");
const containers = Array.from({ length: Number(count) }, (_, n) => routeTo(hostPrefix(strayAt(n)), via));
const peers = Array.from({ length: Number(count) }, (_, n) => {
  const { address, mac, underlay, block } = peerAt(n);
  const writer = new MessageWriter();
  addNeighbour(writer, tunnel, address, mac);
  addForwarding(writer, tunnel, mac, underlay);
  return { element: element(underlay), rows: Buffer.concat([writer.finish(), routeTo(block, address)]) };
});

await watchRaw(endpoint, prefix, (changes) => {
  const rows: Uint8Array[] = [];
  const elements: Uint8Array[] = [];
  for (const { key } of changes) {
    // Of a new host's three records the member's alone counts.
    const [, sort, n] = /\/(containers\/.*\/c|members\/p)(\d+)$/.exec(key) ?? [];
    if (sort?.startsWith("c")) rows.push(containers[Number(n)]!);
    if (sort !== "members/p") continue;
    const peer = peers[Number(n)]!;
    elements.push(peer.element);
    rows.push(peer.rows);
  }
  if (elements.length > 0) sender.sendFilter(transaction(elements));
  if (rows.length > 0) sender.send(rows.length === 1 ? rows[0]! : Buffer.concat(rows));
});

function routeTo(dst: Cidr, gateway: Ip): Uint8Array {
  const writer = new MessageWriter();
  const route = { type: "unicast", dst, dev: "vx0", via: gateway, onlink: true, src: source, scope: "global" } as const;
  addRoute(writer, route, tunnel, false);
  return writer.finish();
}
