import { filter, firstValueFrom, Subject, takeUntil, toArray } from "rxjs";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Policy, policyKey, type RowOf } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { policyDriver } from "../../src/kernel/policies.ts";
import { lostAssociations } from "../../src/kernel/security-associations.ts";
import { cidr, ip } from "../../src/model/address.ts";
import type { Driver, Failure, Notice } from "../../src/reconcile/kind.ts";
import { enterOwnNamespace } from "./own-namespace.ts";
import { run } from "./witness.ts";

let leave: () => void;
let kernel: Kernel;
let driver: Driver<"policy">;
beforeAll(async () => {
  leave = enterOwnNamespace();
  kernel = await openKernel();
  driver = policyDriver(kernel);
});
afterEach(() => void run("ip", "xfrm", "policy", "flush"));
afterAll(async () => {
  await kernel?.close();
  leave?.();
});

const through = "if_id 0x53000001";
const theirs = "tmpl src 10.99.0.1 dst 10.99.0.2 proto esp reqid 2147483655 mode tunnel";
const outer = { src: ip("10.99.0.1"), dst: ip("10.99.0.2") };
const tunnel = { ifId: 0x53000001, priority: 8308, mode: "tunnel", reqid: 0x80000007 } as const;
const out = row({ dir: "out", src: cidr("0.0.0.0/0"), dst: cidr("10.42.2.0/24"), ...tunnel, outer });
const into = row({
  dir: "in",
  src: cidr("10.42.2.0/24"),
  dst: cidr("0.0.0.0/0"),
  ...tunnel,
  outer: { src: outer.dst, dst: outer.src },
});
const transport = { udp: 4789, priority: 8300, mode: "transport", reqid: 0x80000008 } as const;
const outVxlan = row({ dir: "out", src: cidr("10.99.0.1/32"), dst: cidr("10.99.0.2/32"), ...transport });
const inVxlan = row({ dir: "in", src: cidr("10.99.0.2/32"), dst: cidr("10.99.0.1/32"), ...transport });
const rows = [out, into, outVxlan, inVxlan];

function row(value: Policy): RowOf<"policy"> {
  return { kind: "policy", scope: "host", key: policyKey(value), value, because: [] };
}

function add(wishes: readonly RowOf<"policy">[]): Promise<(Failure | undefined)[]> {
  return driver.apply(
    "host",
    wishes.map((wish) => ({ verb: "add", row: wish })),
  );
}

function remove(wishes: readonly RowOf<"policy">[]): Promise<(Failure | undefined)[]> {
  return driver.apply(
    "host",
    wishes.map((wish) => ({ verb: "remove", row: wish })),
  );
}

/** Each policy as ip prints it, on one line. */
function witnessed(): string[] {
  const text = run("ip", "xfrm", "policy").trim();
  const policies = text === "" ? [] : text.split(/\n(?=src)/);
  return policies.map((policy) => policy.replaceAll(/\s+/g, " ").trim()).sort();
}

async function listed(): Promise<Record<string, Policy>> {
  return Object.fromEntries((await driver.list("host")).map(({ key, value }) => [key, value]));
}

function nextNotice(): Promise<Notice> {
  return firstValueFrom(driver.notices$);
}

describe("policies", () => {
  test("are in the kernel as ip tells it", async () => {
    expect(await add(rows)).toEqual([undefined, undefined, undefined, undefined]);
    expect(witnessed()).toEqual([
      `src 0.0.0.0/0 dst 10.42.2.0/24 dir out priority 8308 ptype main ${theirs} ${through}`,
      `src 10.42.2.0/24 dst 0.0.0.0/0 dir in priority 8308 ptype main tmpl src 10.99.0.2 dst 10.99.0.1 proto esp reqid 2147483655 mode tunnel ${through}`,
      "src 10.99.0.1/32 dst 10.99.0.2/32 proto udp sport 4789 dport 4789 dir out priority 8300 ptype main tmpl src 0.0.0.0 dst 0.0.0.0 proto esp reqid 2147483656 mode transport",
      "src 10.99.0.2/32 dst 10.99.0.1/32 proto udp sport 4789 dport 4789 dir in priority 8300 ptype main tmpl src 0.0.0.0 dst 0.0.0.0 proto esp reqid 2147483656 mode transport",
    ]);
  });

  test("are found as they were wished, in the host's scope alone, by an agent that has just started", async () => {
    await add(rows);
    const later = await openKernel();
    onTestFinished(() => later.close());
    const found = await policyDriver(later).list("host");
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
    expect(found.sort(byKey)).toEqual(rows.map(({ because: _, ...rest }) => rest).sort(byKey));
    expect(await driver.list("net:blue")).toEqual([]);
  });

  test("can be added again and removed again", async () => {
    await add(rows);
    const before = witnessed();
    expect(await add([into, ...rows])).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(witnessed()).toEqual(before);
    expect(await remove(rows)).toEqual([undefined, undefined, undefined, undefined]);
    expect(await remove(rows)).toEqual([undefined, undefined, undefined, undefined]);
    expect(witnessed()).toEqual([]);
  });

  test("of one selector and several interfaces stand side by side", async () => {
    const other = row({ ...out.value, ifId: 0x53000002 });
    await add([out, other]);
    expect(Object.keys(await listed())).toHaveLength(2);
    await remove([out]);
    expect(await listed()).toEqual({ [other.key]: other.value });
  });

  test("are replaced in place", async () => {
    await add([out]);
    const moved = row({ ...out.value, reqid: 9, outer: { ...outer, dst: ip("10.99.0.3") } });
    expect(await driver.apply("host", [{ verb: "replace", row: moved, was: out.value }])).toEqual([undefined]);
    expect(await listed()).toEqual({ [out.key]: moved.value });
  });
});

describe("what somebody does is told, and put right", () => {
  const selector = `src 0.0.0.0/0 dst 10.42.2.0/24 dir out ${through}`;
  const change = (text: string) => `ip xfrm policy update ${selector} ${text}`;

  test.each([
    ["the template", change("priority 8308 tmpl src 10.99.0.1 dst 10.99.0.9 proto esp reqid 1 mode tunnel")],
    ["to pass in clear", change("priority 8308")],
    ["to be blocked", change(`priority 8308 action block ${theirs}`)],
    ["priority", change(`priority 8309 ${theirs}`)],
    ["priority, to another's", change(`priority 100 ${theirs}`)],
    ["lifetime", change(`priority 8308 limit time-hard 3600 ${theirs}`)],
  ])("where it is %s that is changed", async (_what, command) => {
    await add([out, into]);
    const told = nextNotice();
    run("sh", "-c", command);
    const notice = (await told) as Extract<Notice<"policy">, { type: "present" }>;
    expect(notice).toMatchObject({ type: "present", row: { kind: "policy", scope: "host", key: out.key } });
    expect(notice.row.value).not.toEqual(out.value);
    expect((await listed())[out.key]).toEqual(notice.row.value);
    const repair = { verb: "replace", row: out, was: notice.row.value } as const;
    expect(await driver.apply("host", [repair])).toEqual([undefined]);
    expect(await listed()).toEqual({ [out.key]: out.value, [into.key]: into.value });
  });

  test("where one is deleted, by selector or by index", async () => {
    for (const by of [selector, "index"]) {
      await add([out]);
      const index = /index (\d+)/.exec(run("ip", "-d", "-s", "xfrm", "policy"))?.[1];
      const told = nextNotice();
      run("sh", "-c", `ip xfrm policy delete ${by === "index" ? `index ${index} dir out ${through}` : by}`);
      expect(await told).toEqual({ type: "absent", kind: "policy", scope: "host", key: out.key });
    }
  });

  test("where all are flushed", async () => {
    await add(rows);
    const told = nextNotice();
    run("ip", "xfrm", "policy", "flush");
    expect(await told).toMatchObject({ type: "relist", scope: "host", kinds: ["policy"] });
    expect(await driver.list("host")).toEqual([]);
  });

  test("where one is given an end, which comes", async () => {
    await add([out]);
    const told = firstValueFrom(driver.notices$.pipe(filter(({ type }) => type === "relist")));
    run("sh", "-c", change(`priority 8308 limit time-hard 1 ${theirs}`));
    expect(await told).toMatchObject({ kinds: ["policy"] });
    expect(await driver.list("host")).toEqual([]);
  });

  test("where a stranger is let in by an interface of ours: it is found, and can be removed", async () => {
    run("ip", ..."xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in priority 1 if_id 0x53000001".split(" "));
    const [found] = await driver.list("host");
    expect(found).toMatchObject({ key: "in 0.0.0.0/0 0.0.0.0/0 if_id 0x53000001", value: { reqid: 0 } });
    expect(await driver.apply("host", [{ verb: "remove", row: found! }])).toEqual([undefined]);
    expect(witnessed()).toEqual([]);
  });

  test("where more is told than there is room for", async () => {
    const small = await openKernel({ eventBufferBytes: 16 * 1024 });
    onTestFinished(() => small.close());
    const overflowing = policyDriver(small);
    await overflowing.list("host");
    const told = firstValueFrom(overflowing.notices$.pipe(filter(({ type }) => type === "relist")));
    await add(many());
    expect(await told).toMatchObject({ scope: "host", kinds: ["policy"] });
  });
});

describe("what is not ours", () => {
  const foreign =
    "src 10.99.0.1/32 dst 10.99.0.2/32 proto udp sport 4789 dport 4789 dir out priority 366847 tmpl proto esp reqid 1 mode transport";

  test("is not listed, nor changed, nor told of; where it stands in the way a wish says so", async () => {
    const ended = new Subject<void>();
    const notices = firstValueFrom(driver.notices$.pipe(takeUntil(ended), toArray()));
    run("ip", ..."xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir in priority 100".split(" "));
    run("ip", ..."xfrm policy add src fd00::/64 dst fd01::/64 dir out priority 8300".split(" "));
    run("ip", ..."xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 proto tcp dir in priority 8300".split(" "));
    run("ip", ..."xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir in priority 8300 mark 7".split(" "));
    run("ip", "xfrm", "policy", "add", ...foreign.split(" "));
    const before = witnessed();
    expect(await driver.list("host")).toEqual([]);

    const [failure, other] = await add([outVxlan, inVxlan]);
    expect(failure).toMatchObject({ code: "EEXIST", next: "retry" });
    expect(failure?.message).toBe(
      "Cannot add policy host out 10.99.0.1/32 10.99.0.2/32 udp 4789: expected none, got another's: xfrm policy src 10.99.0.1/32 dst 10.99.0.2/32 proto udp sport 4789 dport 4789 dir out priority 366847 tmpl proto esp reqid 1 mode transport",
    );
    expect(other).toBeUndefined();
    await remove([inVxlan]);
    expect(witnessed()).toEqual(before);
    ended.next();
    expect((await notices).map((notice) => notice.type !== "relist" && describeKey(notice))).toEqual([
      inVxlan.key,
      inVxlan.key,
    ]);
  });

  test("and takes our policy's place: ours is gone", async () => {
    await add([outVxlan]);
    const told = nextNotice();
    run("ip", "xfrm", "policy", "update", ...foreign.split(" "));
    expect(await told).toEqual({ type: "absent", kind: "policy", scope: "host", key: outVxlan.key });
  });
});

function describeKey(notice: Exclude<Notice, { type: "relist" }>): string {
  return notice.type === "present" ? notice.row.key : notice.key;
}

function many(): RowOf<"policy">[] {
  return Array.from({ length: 10_000 }, (_, index) =>
    row({ ...out.value, dst: cidr(`10.${64 + (index >> 14)}.${(index >> 6) & 255}.${(index << 2) & 255}/30`) }),
  );
}

test("10,000 policies go in and come out, each with its own answer", async () => {
  const wishes = many();
  // The last one's block is of a length that no prefix has.
  const bad = row({ ...out.value, dst: "10.0.0.0/33" as Policy["dst"] });
  const failures = await add(wishes.with(77, bad));
  expect(failures.flatMap((failure, index) => (failure ? [[index, failure.code]] : []))).toEqual([[77, "EINVAL"]]);
  expect(run("ip", "xfrm", "policy", "count")).toContain("OUT 9999 ");
  expect(await driver.list("host")).toHaveLength(9_999);
  expect((await remove(wishes)).every((failure) => failure === undefined)).toBe(true);
  expect(witnessed()).toEqual([]);
});

test("what becomes of SAs is told as far as they end", async () => {
  await driver.list("host");
  const ended = new Subject<void>();
  const told = firstValueFrom(lostAssociations(kernel).pipe(takeUntil(ended), toArray()));
  // Without ESP in the kernel an SA gets as far as its SPI.
  const make = () =>
    run(
      ...("ip xfrm state allocspi src 10.99.0.1 dst 10.99.0.2 proto esp mode tunnel min 7 max 7".split(" ") as [
        string,
      ]),
    );
  make();
  run("ip", "xfrm", "state", "deleteall");
  make();
  const flushed = firstValueFrom(lostAssociations(kernel).pipe(filter(({ type }) => type === "flushed")));
  run("ip", "xfrm", "state", "flush");
  await flushed;
  ended.next();
  expect(await told).toEqual([{ type: "deleted", spi: 7, dst: "10.99.0.2" }, { type: "flushed" }]);
});
