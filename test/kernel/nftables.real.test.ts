import { filter, firstValueFrom, Subject } from "rxjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Nft, nftKey, type RowOf, type Scope } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import type { NftKind } from "../../src/kernel/nft-mark.ts";
import { nftDrivers } from "../../src/kernel/nftables.ts";
import { openKernel } from "../../src/kernel/open.ts";
import type { Driver, Notice } from "../../src/reconcile/kind.ts";
import { type FreshNamespace, freshNamespace } from "./fresh-namespace.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel.close());

const peers: Nft = { object: "set", family: "inet", name: "peers", type: "ipv4_addr" };
const endpoints: Nft = { object: "set", family: "bridge", name: "endpoints", type: "ifname . ether_addr . ipv4_addr" };
const input: Nft = {
  object: "chain",
  family: "inet",
  name: "vxlan-blue",
  hook: { type: "filter", hook: "input", priority: -10, policy: "accept" },
  rules: [
    'udp dport 4789 @th,96,24 1042 iifname != "underlay" drop',
    "udp dport 4789 @th,96,24 1042 ip saddr != @peers drop",
    "udp dport 4789 @th,96,24 1042 meta ipsec missing drop",
  ],
};
const sealed: Nft = {
  object: "chain",
  family: "inet",
  name: "sealed-blue",
  hook: { type: "filter", hook: "output", priority: 0, policy: "accept" },
  rules: ["udp dport 4789 @th,96,24 1042 rt ipsec missing drop"],
};
const ports: Nft = {
  object: "chain",
  family: "bridge",
  name: "ports",
  hook: { type: "filter", hook: "prerouting", priority: -300, policy: "drop" },
  rules: [
    'iifname != "skc*" accept',
    "ether type ip iifname . ether saddr . ip saddr @endpoints accept",
    "jump others",
  ],
};
const others: Nft = { object: "chain", family: "bridge", name: "others", rules: ["udp sport 67 drop", "counter drop"] };
const masquerade: Nft = {
  object: "chain",
  family: "inet",
  name: "egress",
  hook: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" },
  rules: ['ip saddr 10.42.0.0/16 oifname != "sku-*" masquerade'],
};
const guards = [input, sealed, ports, others, peers, endpoints, peer(1), permit(1), permit(2)];

test("what is written is found, fulfils the wish, and nft shows it", async () => {
  const { guard, translation, run, scope } = await fresh();
  expect(await add(guard, scope, guards)).toEqual(none(guards));
  expect(await add(translation, scope, [masquerade])).toEqual([undefined]);

  expect(await unfulfilled(guard, scope, guards)).toEqual([]);
  expect(await unfulfilled(translation, scope, [masquerade])).toEqual([]);
  const listing = run("nft", "list", "ruleset").replaceAll(/ comment "skein[^"]*"/g, "");
  expect(listing).toContain("iifname . ether saddr . ip saddr @endpoints accept\n\t\tjump others\n");
  expect(listing).toContain('elements = { "skc1" . 02:53:0a:2a:00:01 . 10.42.0.1,');
  expect(listing).toContain("type filter hook prerouting priority dstnat; policy drop;");
  expect(listing).toContain('oifname != "sku-*" masquerade');
  expect(listing).toContain("meta ipsec missing drop");
  expect(listing).toContain("rt ipsec missing drop");
});

test("adding what is there and removing what is gone succeed; the last removal takes the tables along", async () => {
  const { guard, translation, run, scope } = await fresh();
  await add(guard, scope, guards);
  await add(translation, scope, [masquerade]);
  expect(await add(guard, scope, guards)).toEqual(none(guards));

  expect(await remove(translation, scope, [masquerade])).toEqual([undefined]);
  expect(run("nft", "list", "tables")).toBe("table inet skein\ntable bridge skein\n");
  expect(await remove(guard, scope, guards)).toEqual(none(guards));
  expect(run("nft", "list", "tables")).toBe("");
  expect(await remove(guard, scope, guards)).toEqual(none(guards));
  expect(await guard.list(scope)).toEqual([]);
});

test("a table in which somebody else keeps something is left to them", async () => {
  const { guard, run, scope } = await fresh();
  await add(guard, scope, [peers]);
  run("nft", "add counter inet skein theirs");
  expect(await remove(guard, scope, [peers])).toEqual([undefined]);
  expect(run("nft", "list", "tables")).toBe("table inet skein\n");
});

test("a scope that does not exist holds nothing, takes nothing and has nothing to remove", async () => {
  const { guard } = nftDrivers(kernel);
  expect(await guard.list("net:nowhere")).toEqual([]);
  expect(await add(guard, "net:nowhere", [peers])).toMatchObject([{ code: "NETNS_MISSING", next: "wait" }]);
  expect(await remove(guard, "net:nowhere", [peers])).toEqual([undefined]);
});

test("a bad rule fails alone, and says which rule it is", async () => {
  const { guard, scope } = await fresh();
  const bad: Nft = { ...others, rules: ["udp sport 67 drop", "tcp foo 3 drop"] };
  const [failed, ...rest] = await add(guard, scope, [bad, peers, peer(1), input, peer(2)]);
  expect(failed).toMatchObject({ code: "NFT_SYNTAX", next: "retry" });
  expect(failed?.message).toMatch(/Cannot add guard net:.* bridge chain others: .*tcp foo 3 drop/);
  expect(rest).toEqual([undefined, undefined, undefined, undefined]);
  expect(await unfulfilled(guard, scope, [peers, peer(1), input, peer(2)])).toEqual([]);
  expect((await guard.list(scope)).map(({ key }) => key)).not.toContain("bridge chain others");
});

test("an element whose set is missing fails alone", async () => {
  const { guard, scope } = await fresh();
  const [failed, ...rest] = await add(guard, scope, [permit(1), peers, peer(1)]);
  expect(failed).toMatchObject({ code: "ENOENT" });
  expect(rest).toEqual([undefined, undefined]);
});

test("a chain whose new rules nft refuses keeps its old ones", async () => {
  const { guard, scope } = await fresh();
  await add(guard, scope, [peers, input]);
  const row = rowOf("guard", scope, { ...input, rules: ["udp dport 4789 accept", "ip saddr @nobody drop"] } as Nft);
  const [failed] = await guard.apply(scope, [{ verb: "replace", row, was: input }]);
  expect(failed).toMatchObject({ code: "ENOENT" });
  expect(await unfulfilled(guard, scope, [peers, input])).toEqual([]);
});

describe("a replaced chain", () => {
  for (const [what, change] of Object.entries({
    policy: { hook: { type: "filter", hook: "input", priority: -10, policy: "drop" } },
    priority: { hook: { type: "filter", hook: "input", priority: 10, policy: "accept" } },
    hook: { hook: { type: "filter", hook: "forward", priority: -10, policy: "accept" } },
    rules: { rules: ["ip saddr != @peers drop"] },
    "rules to none": { rules: [] },
  } satisfies Record<string, Partial<Nft>>)) {
    test(`takes a new ${what}`, async () => {
      const { guard, scope } = await fresh();
      await add(guard, scope, [peers, input]);
      const wish = { ...input, ...change } as Nft;
      expect(await unfulfilled(guard, scope, [wish])).toEqual([nftKey(wish)]);
      expect(await guard.apply(scope, [{ verb: "replace", row: rowOf("guard", scope, wish), was: input }])).toEqual([
        undefined,
      ]);
      expect(await unfulfilled(guard, scope, [peers, wish])).toEqual([]);
    });
  }
});

test("a set takes a new type together with the rules that name it", async () => {
  const { guard, scope } = await fresh();
  await add(guard, scope, [peers, peer(1), input]);
  const wider: Nft = { ...peers, type: "ipv4_addr . inet_service" } as Nft;
  const chain: Nft = { ...input, rules: ["ip saddr . udp dport != @peers drop"] } as Nft;
  const results = await guard.apply(scope, [
    { verb: "replace", row: rowOf("guard", scope, chain), was: input },
    { verb: "replace", row: rowOf("guard", scope, wider), was: peers },
  ]);
  expect(results).toEqual([undefined, undefined]);
  expect(await unfulfilled(guard, scope, [wider, chain])).toEqual([]);
});

describe("somebody else's hand is noticed, found and mended", () => {
  const cases: Record<string, { by: (namespace: FreshNamespace) => void; hits: Nft[] }> = {
    "a rule deleted": { by: (at) => deleteRule(at, "ports", 1), hits: [ports] },
    "a rule inserted": { by: nft("insert rule bridge skein ports accept"), hits: [ports] },
    "a rule added with a comment of ours": {
      by: nft('add rule bridge skein ports accept comment "skein guard 0123456789abcdef"'),
      hits: [ports],
    },
    "a rule changed in place, its comment kept": { by: changeRule, hits: [others] },
    "a chain emptied": { by: nft("flush chain bridge skein ports"), hits: [ports] },
    "a policy": { by: nft("chain bridge skein ports { policy accept; }"), hits: [ports] },
    "a chain deleted": { by: nft("flush chain bridge skein ports; delete chain bridge skein ports"), hits: [ports] },
    "an element deleted": { by: nft("delete element inet skein peers { 10.9.0.1 }"), hits: [peer(1)] },
    "a set emptied": { by: nft("flush set bridge skein endpoints"), hits: [permit(1), permit(2)] },
    "a table deleted": { by: nft("delete table inet skein"), hits: [input, sealed, peers, peer(1)] },
    "the ruleset flushed": { by: nft("flush ruleset"), hits: guards },
  };
  for (const [what, { by, hits }] of Object.entries(cases)) {
    test(what, async () => {
      const namespace = await fresh();
      const { guard, scope, noticed } = namespace;
      await add(guard, scope, guards);
      const notice = noticed("guard");
      by(namespace);
      expect(await notice).toMatchObject({ type: "relist", scope, kinds: ["guard"] });
      expect((await unfulfilled(guard, scope, guards)).sort()).toEqual(hits.map(nftKey).sort());

      const before = new Map((await guard.list(scope)).map(({ key, value }) => [key, value]));
      const operations = hits.map((value) => {
        const row = rowOf("guard", scope, value);
        const was = before.get(row.key);
        return was ? ({ verb: "replace", row, was } as const) : ({ verb: "add", row } as const);
      });
      expect(await guard.apply(scope, operations)).toEqual(none(hits));
      expect(await unfulfilled(guard, scope, guards)).toEqual([]);
    });
  }

  test("a table put to sleep is woken", async () => {
    const { guard, scope, run, noticed } = await fresh();
    await add(guard, scope, guards);
    const notice = noticed("guard");
    run("nft", "add table bridge skein { flags dormant; }");
    await notice;
    expect(await unfulfilled(guard, scope, guards)).toEqual([]);
    expect(run("nft", "list", "ruleset")).not.toContain("dormant");
  });

  test("a table found asleep at the first look is woken", async () => {
    const { scope, run } = await fresh();
    run("nft", "add table bridge skein { flags dormant; }");
    run("nft", "add set bridge skein endpoints { type ifname . ether_addr . ipv4_addr; }");
    expect(await unfulfilled(nftDrivers(kernel).guard, scope, [endpoints])).toEqual([]);
    expect(run("nft", "list", "ruleset")).not.toContain("dormant");
  });

  test("an object of theirs in our table is found, and can be removed", async () => {
    const { guard, scope, run } = await fresh();
    await add(guard, scope, guards);
    run("nft", "add chain inet skein theirs { type filter hook output priority 0; }");
    run("nft", "add rule inet skein theirs drop");
    const [found, ...rest] = (await guard.list(scope)).filter(
      ({ value }) => !guards.some((nft) => nftKey(nft) === nftKey(value)),
    );
    expect(rest).toEqual([]);
    expect(found).toMatchObject({ key: "inet chain theirs", value: { rules: ['not ours: [{"drop":null}]'] } });
    expect(await guard.apply(scope, [{ verb: "remove", row: found! }])).toEqual([undefined]);
    expect(await unfulfilled(guard, scope, guards)).toEqual([]);
  });
});

test("a rule changed in place before the first look of a new agent is believed", async () => {
  const namespace = await fresh();
  await add(namespace.guard, namespace.scope, guards);
  changeRule(namespace);
  const { guard } = nftDrivers(kernel);
  expect(await unfulfilled(guard, namespace.scope, guards)).toEqual([]);
});

test("neither our own transactions nor those in tables of others are noticed", async () => {
  const { guard, translation, scope, run, notices } = await fresh();
  await add(guard, scope, guards);
  await add(translation, scope, [masquerade]);
  await remove(guard, scope, [permit(1)]);
  run("nft", "add table inet theirs; add chain inet theirs skein; add rule inet theirs skein drop");
  // Events come before answers, so these are all there are.
  await guard.list(scope);
  expect(notices).toEqual([]);
});

test("10,000 elements in one transaction, and one more without touching them", async () => {
  const { guard, scope, run } = await fresh();
  const many = Array.from({ length: 10_000 }, (_, index) => permit(index));
  expect(await add(guard, scope, [endpoints, ports, others, ...many])).toEqual(
    none([endpoints, ports, others, ...many]),
  );
  expect(await unfulfilled(guard, scope, [endpoints, ports, others, ...many])).toEqual([]);

  const monitor = new Subject<string>();
  monitor.complete();
  expect(await add(guard, scope, [permit(10_000)])).toEqual([undefined]);
  expect(await remove(guard, scope, [permit(0)])).toEqual([undefined]);
  const elements = JSON.parse(run("nft", "-j", "list", "set", "bridge", "skein", "endpoints")).nftables[1].set.elem;
  expect(elements).toHaveLength(10_000);
});

async function fresh() {
  const namespace = await freshNamespace(kernel);
  const drivers = nftDrivers(kernel);
  const notices: Notice[] = [];
  for (const driver of Object.values(drivers)) driver.notices$.subscribe((notice) => notices.push(notice));
  const noticed = (kind: NftKind) =>
    firstValueFrom(drivers[kind].notices$.pipe(filter(({ type }) => type === "relist")));
  return { ...namespace, ...drivers, notices, noticed };
}

function peer(index: number): Nft {
  return { object: "element", family: "inet", set: "peers", element: [`10.9.${index >> 8}.${index & 255}`] };
}

function permit(index: number): Nft {
  const [high, low] = [index >> 8, index & 255];
  const mac = `02:53:0a:2a:${hex(high)}:${hex(low)}`;
  return {
    object: "element",
    family: "bridge",
    set: "endpoints",
    element: [`skc${index}`, mac, `10.42.${high}.${low}`],
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function rowOf<K extends NftKind>(kind: K, scope: Scope, value: Nft): RowOf<K> {
  return { kind, scope, key: nftKey(value), value, because: [] } as RowOf<NftKind> as RowOf<K>;
}

function add<K extends NftKind>(driver: Driver<K>, scope: Scope, wishes: readonly Nft[]) {
  return driver.apply(
    scope,
    wishes.map((value) => ({ verb: "add", row: rowOf(driver.kind, scope, value) })),
  );
}

function remove<K extends NftKind>(driver: Driver<K>, scope: Scope, wishes: readonly Nft[]) {
  return driver.apply(
    scope,
    wishes.map((value) => ({ verb: "remove", row: rowOf(driver.kind, scope, value) })),
  );
}

/** Keys of the wishes that the kernel does not fulfil. */
async function unfulfilled<K extends NftKind>(
  driver: Driver<K>,
  scope: Scope,
  wishes: readonly Nft[],
): Promise<string[]> {
  const found = new Map((await driver.list(scope)).map(({ key, value }) => [key, value]));
  return wishes.flatMap((wish) => {
    const value = found.get(nftKey(wish));
    return value && driver.same?.(wish as never, value) ? [] : nftKey(wish);
  });
}

function none(of: readonly unknown[]): undefined[] {
  return of.map(() => undefined);
}

function nft(commands: string) {
  return ({ run }: FreshNamespace) => void run("nft", commands);
}

function rulesOf({ run }: FreshNamespace, chain: string): { handle: number; comment: string }[] {
  const { nftables } = JSON.parse(run("nft", "-j", "list", "chain", "bridge", "skein", chain));
  return nftables.flatMap(({ rule }: { rule?: unknown }) => rule ?? []);
}

function deleteRule(namespace: FreshNamespace, chain: string, at: number): void {
  namespace.run("nft", `delete rule bridge skein ${chain} handle ${rulesOf(namespace, chain)[at]?.handle}`);
}

function changeRule(namespace: FreshNamespace): void {
  const [rule] = rulesOf(namespace, "others");
  namespace.run(
    "nft",
    `replace rule bridge skein others handle ${rule?.handle} udp sport 68 drop comment "${rule?.comment}"`,
  );
}
