import { putPolicy, removePolicy } from "../../../src/kernel/netlink/policy-messages.ts";
import { MessageWriter } from "../../../src/kernel/netlink/writer.ts";
import type { Ip } from "../../../src/model/address.ts";
import { watchRaw } from "../floor/raw-watch.ts";
import { openXfrmSender } from "../floor/sender.ts";
import { peerAt } from "../world.ts";
import { policiesOf } from "./peer-policies.ts";

/**
 * The floor of policies: the callback of a raw watch stream sends XFRM messages that lie ready, a pair for each member
 * that comes or goes. Arguments: ENDPOINT PREFIX UNDERLAY COUNT.
 */
const [endpoint, prefix, underlay, count] = process.argv.slice(2) as [string, string, Ip, string];
const send = openXfrmSender();
const pairs = Array.from({ length: Number(count) }, (_, n) => {
  const [put, removed] = [new MessageWriter(), new MessageWriter()];
  for (const policy of policiesOf(peerAt(n), underlay)) {
    putPolicy(put, policy, true);
    removePolicy(removed, policy);
  }
  return { put: put.finish(), removed: removed.finish() };
});

await watchRaw(endpoint, prefix, (changes) => {
  const messages: Uint8Array[] = [];
  for (const { key, isGone } of changes) {
    const n = /\/members\/p(\d+)$/.exec(key)?.[1];
    if (n !== undefined) messages.push(isGone ? pairs[Number(n)]!.removed : pairs[Number(n)]!.put);
  }
  if (messages.length > 0) send(messages.length === 1 ? messages[0]! : Buffer.concat(messages));
});
