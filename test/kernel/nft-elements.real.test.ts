import { afterAll, beforeAll, expect, test } from "vitest";
import { nftKey, type RowOf } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { elementTransaction } from "../../src/kernel/nft-elements.ts";
import { openKernel } from "../../src/kernel/open.ts";
import type { Operation } from "../../src/reconcile/kind.ts";
import { freshNamespace } from "./fresh-namespace.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel.close());

function operation(verb: "add" | "remove", family: "inet" | "bridge", set: string, ...element: string[]) {
  const value = { object: "element", family, set, element } as const;
  const row: RowOf<"guard"> = { kind: "guard", scope: "host", key: nftKey(value), value, because: [] };
  return { verb, row } as Operation<"guard">;
}

async function fresh() {
  const { run, scope } = await freshNamespace(kernel);
  run("nft", "add table inet skein; add set inet skein peers { type ipv4_addr; }");
  run("nft", "add table bridge skein; add set bridge skein present { type ether_addr; }");
  run("nft", "add set bridge skein endpoints { type ifname . ether_addr . ipv4_addr; }");
  const send = (...operations: Operation<"guard">[]) => {
    const transaction = elementTransaction(operations);
    if (!transaction) throw new Error("Cannot send: expected elements only");
    return kernel.nftElements(scope, transaction);
  };
  const elements = () => run("nft", "list", "ruleset").match(/elements = \{.*/g) ?? [];
  return { elements, run, scope, send };
}

test("elements come and go by the short way as nft shows them", async () => {
  const { elements, send } = await fresh();
  const all = [
    operation("add", "inet", "peers", "10.0.0.255"),
    operation("add", "bridge", "present", "02:53:0a:2a:00:01"),
    operation("add", "bridge", "endpoints", "skc0123456789ab", "02:53:0a:2a:00:01", "10.42.0.1"),
  ];
  expect(await send(...all)).toEqual({ ok: true, value: 0 });
  expect(await send(...all)).toEqual({ ok: true, value: 0 });
  expect(elements()).toEqual([
    "elements = { 10.0.0.255 }",
    "elements = { 02:53:0a:2a:00:01 }",
    'elements = { "skc0123456789ab" . 02:53:0a:2a:00:01 . 10.42.0.1 }',
  ]);
  expect(await send(operation("remove", "inet", "peers", "10.0.0.255"))).toEqual({ ok: true, value: 0 });
  expect(elements()).toHaveLength(2);
});

test("one that the kernel refuses takes the whole transaction with it, and says why", async () => {
  const { elements, send } = await fresh();
  const good = operation("add", "inet", "peers", "10.0.0.1");
  const wrong = operation("add", "inet", "peers", "02:53:0a:2a:00:01");
  expect(await send(good, wrong)).toEqual({ ok: true, value: 22 });
  const gone = operation("remove", "inet", "peers", "10.0.0.9");
  expect(await send(good, gone)).toEqual({ ok: true, value: 2 });
  expect(elements()).toEqual([]);
  // A refusal leaves nothing behind that the next would take for its own.
  expect(await send(good)).toEqual({ ok: true, value: 0 });
});

test("ten thousand go in one transaction", async () => {
  const { run, send } = await fresh();
  const many = Array.from({ length: 10_000 }, (_, n) => operation("add", "inet", "peers", `10.1.${n >> 8}.${n & 255}`));
  expect(await send(...many)).toEqual({ ok: true, value: 0 });
  expect(run("nft", "list", "set", "inet", "skein", "peers").match(/10\.1\./g)).toHaveLength(10_000);
});

test("what is no element, or longer than a name, is left to libnftables", () => {
  const value = { object: "set", family: "inet", name: "peers", type: "ipv4_addr" } as const;
  const row: RowOf<"guard"> = { kind: "guard", scope: "host", key: nftKey(value), value, because: [] };
  expect(elementTransaction([{ verb: "add", row }])).toBeUndefined();
  expect(elementTransaction([operation("add", "inet", "peers", "an-overlong-name")])).toBeUndefined();
});
