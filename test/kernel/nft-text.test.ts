import { expect, test } from "vitest";
import { type Nft, nftKey } from "../../src/desired/rows.ts";
import type { NftKind } from "../../src/kernel/nft-mark.ts";
import { transactionOf } from "../../src/kernel/nft-text.ts";
import type { Operation } from "../../src/reconcile/kind.ts";

const peers: Nft = { object: "set", family: "inet", name: "peers", type: "ipv4_addr" };
const peer: Nft = { object: "element", family: "inet", set: "peers", element: ["10.9.0.1"] };
const input: Nft = {
  object: "chain",
  family: "inet",
  name: "vxlan-blue",
  hook: { type: "filter", hook: "input", priority: -10, policy: "accept" },
  rules: ["ip saddr != @peers drop"],
};
const permit: Nft = { object: "element", family: "bridge", set: "endpoints", element: ["skc1", "02:53:00:00:00:01"] };
const others: Nft = { object: "chain", family: "bridge", name: "others", rules: [] };

test("what is added comes in the order of what it needs", () => {
  expect(print([add(input), add(peer), add(permit), add(others), add(peers)])).toBe(`\
add table inet skein
add table bridge skein
add chain inet skein vxlan-blue { type filter hook input priority -10; policy accept; }
flush chain inet skein vxlan-blue
add chain bridge skein others
flush chain bridge skein others
add set inet skein peers { type ipv4_addr; comment "skein guard"; }
add element inet skein peers { "10.9.0.1" }
add element bridge skein endpoints { "skc1" . "02:53:00:00:00:01" }
add rule inet skein vxlan-blue ip saddr != @peers drop comment "skein guard 48bc"`);
});

test("what is removed goes in the opposite order, and makes no table", () => {
  expect(print([remove(peers), remove(peer), remove(input)])).toBe(`\
add chain inet skein vxlan-blue
flush chain inet skein vxlan-blue
delete element inet skein peers { "10.9.0.1" }
delete chain inet skein vxlan-blue
delete set inet skein peers`);
});

test("a chain keeps its place when its rules or its policy change", () => {
  const wish: Nft = { ...input, hook: { ...input.hook, policy: "drop" } } as Nft;
  expect(print([replace(wish, input)])).toBe(`\
add table inet skein
add chain inet skein vxlan-blue { type filter hook input priority -10; policy drop; }
flush chain inet skein vxlan-blue
add rule inet skein vxlan-blue ip saddr != @peers drop comment "skein guard 48bc"`);
});

test("a chain is made anew where its hook changes", () => {
  const wish: Nft = { ...input, hook: { ...input.hook, priority: 0 } } as Nft;
  expect(print([replace(wish, input)])).toContain(`\
add chain inet skein vxlan-blue
flush chain inet skein vxlan-blue
delete chain inet skein vxlan-blue
add chain inet skein vxlan-blue { type filter hook input priority 0; policy accept; }
`);
});

test("a set is made anew where its type changes, after the rules that name it and before its elements", () => {
  const wish: Nft = { ...peers, type: "inet_service" } as Nft;
  expect(
    print([replace(wish, peers), replace(input, input), add(peer)])
      .split("\n")
      .slice(2),
  ).toEqual([
    "flush chain inet skein vxlan-blue",
    "delete set inet skein peers",
    'add set inet skein peers { type inet_service; comment "skein guard"; }',
    'add element inet skein peers { "10.9.0.1" }',
    'add rule inet skein vxlan-blue ip saddr != @peers drop comment "skein guard 48bc"',
  ]);
});

/** With digests cut to four digits. */
function print(operations: Operation<NftKind>[]): string {
  return transactionOf("guard", operations).replace(/(skein \w+ [0-9a-f]{4})[0-9a-f]{12}/g, "$1");
}

function add(value: Nft): Operation<NftKind> {
  return { verb: "add", row: { kind: "guard", scope: "host", key: nftKey(value), value, because: [] } };
}

function replace(value: Nft, was: Nft): Operation<NftKind> {
  return { verb: "replace", row: { kind: "guard", scope: "host", key: nftKey(value), value, because: [] }, was };
}

function remove(value: Nft): Operation<NftKind> {
  return { verb: "remove", row: { kind: "guard", scope: "host", key: nftKey(value), value } };
}
