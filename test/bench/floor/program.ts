import { openSync } from "node:fs";
import { connect } from "../../../src/store/client.ts";
import { addForwarding, addNeighbour } from "../../../src/kernel/netlink/neighbour-messages.ts";
import { addRoute } from "../../../src/kernel/netlink/route-messages.ts";
import { MessageWriter } from "../../../src/kernel/netlink/writer.ts";
import { type Cidr, hostPrefix, type Ip } from "../../../src/model/address.ts";
import { elementBatch } from "./element.ts";
import { openSender } from "./sender.ts";
import { peerAt, strayAt } from "../world.ts";

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
const containers = Array.from({ length: Number(count) }, (_, n) => routeTo(hostPrefix(strayAt(n)), via).finish());
const peers = Array.from({ length: Number(count) }, (_, n) => {
  const { address, mac, underlay, block } = peerAt(n);
  const writer = new MessageWriter();
  addNeighbour(writer, tunnel, address, mac);
  addForwarding(writer, tunnel, mac, underlay);
  return { element: elementBatch(underlay), rows: routeTo(block, address, writer).finish() };
});

const client = connect({ endpoints: [endpoint], prefix });
const { start, end } = client.rangeOf("");
const stream = await client.etcd.watchClient.watch();
stream.on("data", ({ created, events }) => {
  if (created) process.stdout.write("ready\n");
  for (const { kv } of events) {
    const [, sort, n] = /\/([cp])(\d+)$/.exec(kv.key.toString("latin1")) ?? [];
    if (sort === "c") sender.send(containers[Number(n)]!);
    // Of a new host's three records the last has its name at the end too, and a block's has not.
    if (sort !== "p" || !kv.key.includes("/members/")) continue;
    const peer = peers[Number(n)]!;
    sender.sendFilter(peer.element);
    sender.send(peer.rows);
  }
});
stream.write({ create_request: { key: start, range_end: end, progress_notify: true, fragment: true } });

function routeTo(dst: Cidr, gateway: Ip, writer = new MessageWriter()): MessageWriter {
  addRoute(
    writer,
    { type: "unicast", dst, dev: "vx0", via: gateway, onlink: true, src: source, scope: "global" },
    tunnel,
    false,
  );
  return writer;
}
