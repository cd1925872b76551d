import { expect, test } from "vitest";
import type { Nft } from "../../src/desired/rows.ts";
import { isEmptyTable, nftFulfils, readTable } from "../../src/kernel/nft-listing.ts";
import { ruleComment } from "../../src/kernel/nft-mark.ts";

const head = [{ metainfo: { version: "1.0.6" } }, { table: { family: "inet", name: "skein", handle: 1 } }];
const hook = { type: "filter", hook: "forward", prio: -10, policy: "accept" };

test("sets come with their elements, whose parts are in canonical text", () => {
  const elem = ["10.9.0.1", { concat: ["skc1", "02:53:00:00:00:01", 80] }, { elem: { val: "10.9.0.2", comment: "x" } }];
  const set = {
    family: "inet",
    name: "s",
    table: "skein",
    type: ["ifname", "ether_addr"],
    comment: "skein guard",
    elem,
  };
  expect(found([{ set }])).toEqual([
    "guard inet set s",
    "guard inet element s 10.9.0.1",
    "guard inet element s skc1 . 02:53:00:00:00:01 . 80",
    "guard inet element s 10.9.0.2",
  ]);
});

test("whose kind an object is, its marks say, or else a nat hook", () => {
  const comment = ruleComment("translation", "accept");
  expect(
    found([
      { chain: { family: "inet", table: "skein", name: "marked" } },
      { chain: { family: "inet", table: "skein", name: "nat", ...hook, type: "nat" } },
      { chain: { family: "inet", table: "skein", name: "bare" } },
      { rule: { family: "inet", chain: "marked", handle: 5, comment, expr: [] } },
      { set: { family: "inet", name: "t", type: "ipv4_addr", comment: "skein translation" } },
      { set: { family: "inet", name: "theirs", type: "ipv4_addr", comment: "skein something" } },
    ]),
  ).toEqual([
    "translation inet chain marked",
    "translation inet chain nat",
    "guard inet chain bare",
    "translation inet set t",
    "guard inet set theirs",
  ]);
});

test("rules are told by their comments, and believed unless they changed", () => {
  const rules = ["tcp dport 1 accept", "tcp dport 2 accept"];
  const wish: Nft = { object: "chain", family: "inet", name: "c", rules };
  const comments = rules.map((rule) => ruleComment("guard", rule));
  const listed = (changed: number[], ...theirs: (string | undefined)[]) => {
    const json = theirs.map((comment, at) => ({ rule: { chain: "c", handle: at, comment, expr: [{ accept: null }] } }));
    const chain = { chain: { family: "inet", table: "skein", name: "c" } };
    return readTable(JSON.stringify({ nftables: [...head, chain, ...json] }), (_, handle) =>
      changed.includes(handle),
    )[0]!;
  };
  const [first, second] = comments as [string, string];
  expect(nftFulfils(wish, wish)).toBe(true);
  expect(nftFulfils(wish, listed([], first, second).value)).toBe(true);
  expect(nftFulfils(wish, listed([], second, first).value)).toBe(false);
  expect(nftFulfils(wish, listed([], first).value)).toBe(false);
  expect(nftFulfils(wish, listed([], first, second, second).value)).toBe(false);
  expect(nftFulfils(wish, listed([1], first, second).value)).toBe(false);
  expect(listed([], undefined).value).toMatchObject({ rules: ['not ours: [{"accept":null}]'] });
});

test("every part of a hook counts", () => {
  const wish = chainWith({ type: "filter", hook: "forward", priority: -10, policy: "accept" });
  expect(nftFulfils(wish, read([{ chain: { family: "inet", table: "skein", name: "c", ...hook } }])[0]!.value)).toBe(
    true,
  );
  expect(nftFulfils(wish, chainWith(undefined))).toBe(false);
  for (const other of [{ type: "nat" }, { hook: "input" }, { prio: 0 }, { policy: "drop" }]) {
    const [chain] = read([{ chain: { family: "inet", table: "skein", name: "c", ...hook, ...other } }]);
    expect(nftFulfils(wish, chain!.value)).toBe(false);
  }
});

test("a set is fulfilled by its type alone", () => {
  const wish: Nft = { object: "set", family: "inet", name: "s", type: "ipv4_addr . inet_service" };
  const [same, other] = read([
    { set: { family: "inet", name: "s", type: ["ipv4_addr", "inet_service"] } },
    { set: { family: "inet", name: "s", type: "ipv4_addr" } },
  ]);
  expect([nftFulfils(wish, same!.value), nftFulfils(wish, other!.value)]).toEqual([true, false]);
});

test("a table is empty when not even somebody else's counter is in it", () => {
  expect(isEmptyTable(JSON.stringify({ nftables: head }))).toBe(true);
  expect(isEmptyTable(JSON.stringify({ nftables: [...head, { counter: { name: "theirs" } }] }))).toBe(false);
});

function chainWith(hook: Extract<Nft, { object: "chain" }>["hook"]): Nft {
  return { object: "chain", family: "inet", name: "c", ...(hook && { hook }), rules: [] };
}

function read(entries: unknown[]) {
  return readTable(JSON.stringify({ nftables: [...head, ...entries] }), () => false);
}

function found(entries: unknown[]): string[] {
  return read(entries).map(({ kind, key }) => `${kind} ${key}`);
}
