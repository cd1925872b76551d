import { Subject } from "rxjs";
import { describe, expect, test } from "vitest";
import { kinds, type Row } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Driver, Drivers, Notice, Observed } from "../../src/reconcile/kind.ts";
import { onApply, rig, scopes } from "./rig.ts";
import { network, print, wishes } from "./scene.ts";

const scene = { blue: { mtu: 1450, peers: { h2: 0 }, containers: { web: 0 } } };
const route = { kind: "route", scope: "net:blue", key: "10.42.2.0/24" } as const;

async function holding() {
  const made = rig();
  made.wishAll(scene);
  await made.engine.start(scopes);
  made.events.length = 0;
  return made;
}

describe("drift", () => {
  test.each(kinds.filter((kind) => kind !== "translation"))("a deleted %s is told and repaired", async (kind) => {
    const { engine, clock, kernel, told } = await holding();
    const [row] = [...engine.rows()].map(({ row }) => row).filter((row) => row.kind === kind);
    kernel.remove(row as Row);
    clock.advance(3);
    await engine.settled();
    expect(kernel.print()).toBe(print(scene));
    expect(told("drifted")).toContainEqual({ type: "drifted", row, found: undefined });
    expect(told("repaired")).toContainEqual({ type: "repaired", row, cause: { key: "drift", at: 1000 }, ms: 3 });
  });

  test("a changed row is replaced", async () => {
    const { engine, kernel, told } = await holding();
    const value = { type: "unreachable", dst: "10.42.2.0/24" } as never;
    kernel.put({ ...route, value });
    await engine.settled();
    expect(told("drifted")).toMatchObject([{ row: route, found: value }]);
    expect(told("repaired")).toMatchObject([{ row: route }]);
    expect(kernel.print()).toBe(print(scene));
  });

  test("the echo of our own writes is none", async () => {
    const { events } = rig();
    const made = await holding();
    expect(made.told("drifted")).toEqual([]);
    expect(events).toEqual([]);
    expect(made.engine.plan()).toEqual([]);
  });

  test("what goes with a link that we take away is none", async () => {
    const { engine, kernel, wish, told } = await holding();
    const rows = network("blue").filter((row) => row.key !== "vx0");
    wish(["network blue", rows]);
    await engine.settled();
    expect(told("drifted")).toEqual([]);
    expect(
      engine
        .failures()
        .map(({ row }) => row.kind)
        .sort(),
    ).toEqual(["fdb", "neighbour", "route"]);
    expect(kernel.print()).not.toContain("vx0");
  });

  test("a deletion while the write is under way is seen, whichever came first", async () => {
    const kernel = fakeKernel();
    let deletions = 1;
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      const answers = await call(scope, operations);
      if (kind === "route" && scope === "net:blue" && deletions-- > 0) kernel.remove(route);
      return answers;
    });
    const { engine, wishAll, told } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    expect(kernel.print()).toBe(print(scene));
    expect(told("drifted")).toMatchObject([{ row: route, found: undefined }]);
  });

  test("a namespace deleted by hand comes back with all that was in it", async () => {
    const { engine, kernel, converge } = await holding();
    kernel.remove({ kind: "namespace", scope: "host", key: "skein-blue" });
    await engine.settled();
    await converge();
    expect(kernel.print()).toBe(print(scene));
  });
});

describe("a fight over a row", () => {
  test("goes on at one repair a second after the first ten, and is told", async () => {
    const { engine, clock, kernel, told } = await holding();
    for (let n = 0; n < 6_000; n++) {
      kernel.remove(route);
      await engine.settled();
      clock.advance(10);
      await engine.settled();
    }
    const repairs = told("repaired").length;
    expect(repairs).toBeGreaterThan(60);
    expect(repairs).toBeLessThan(75);
    expect(told("failed")[0]).toMatchObject({ row: route, failure: { code: "CONTESTED" } });
    expect(told("failed").length).toBeLessThan(10);
    // When the other side gives up, so does the caution.
    clock.advance(60_000);
    await engine.settled();
    kernel.remove(route);
    await engine.settled();
    expect(kernel.print()).toBe(print(scene));
  });

  test("ten deletions in a row are mended at once", async () => {
    const { engine, kernel, told } = await holding();
    for (let n = 0; n < 10; n++) {
      kernel.remove(route);
      await engine.settled();
      expect(kernel.print()).toBe(print(scene));
    }
    expect(told("failed")).toEqual([]);
  });

  test("a driver that never finds what was wished does not spin", async () => {
    const kernel = fakeKernel();
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      const answers = await call(scope, operations);
      if (kind === "fdb") for (const { row } of operations) kernel.put({ ...row, value: { dev: "vx0" } } as never);
      return answers;
    });
    const { engine, wishAll, pass, told } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    await pass(10_000);
    expect(told("repaired").length).toBeLessThan(25);
  });
});

describe("lists", () => {
  /** Drivers of no kernel at all: each list is what the test says, when it says so. */
  function listed(list: Driver["list"]) {
    const notices$ = new Subject<Notice>();
    const apply: Driver["apply"] = async (_scope, operations) => operations.map(() => undefined);
    const drivers = Object.fromEntries(kinds.map((kind) => [kind, { kind, notices$, apply, list: async () => [] }]));
    return { drivers: { ...drivers, route: { kind: "route", notices$, apply, list } } as unknown as Drivers, notices$ };
  }

  const [row] = wishes(scene).flatMap(([, rows]) => rows.filter(({ key }) => key === route.key));
  const found = { ...route, value: row?.value } as Observed<"route">;
  const absent: Notice = { type: "absent", ...route };

  test("a notice that came while a list was under way is newer", async () => {
    const lists: PromiseWithResolvers<Observed[]>[] = [];
    const { drivers, notices$ } = listed(() => {
      const list = Promise.withResolvers<Observed[]>();
      lists.push(list);
      return list.promise;
    });
    const { engine, told } = rig({ drivers });
    engine.wish("peer blue h2", [row as Row], { key: "start", at: 0 });
    const started = engine.start(["net:blue"]);
    await Promise.resolve();
    lists[0]?.resolve([found]);
    await started;
    expect(told("added")).toEqual([]);

    notices$.next({ type: "relist", scope: "net:blue", kinds: ["route"], why: "lost" });
    await Promise.resolve();
    notices$.next(absent);
    lists[1]?.resolve([found]);
    await engine.settled();
    expect(told("drifted").length).toBe(1);
    expect(told("repaired").length).toBe(1);
    expect(told("relisted").map(({ why, scope, rows }) => [why, scope, rows])).toEqual([
      ["start", "net:blue", 1],
      ["lost", "net:blue", 1],
    ]);
  });

  test("a driver that cannot list is asked again; its rows wait, the others do not", async () => {
    let isBroken = true;
    const { drivers } = listed(async () => {
      if (isBroken) throw new Error("no route to kernel");
      return [];
    });
    const { engine, told, clock, wishAll } = rig({ drivers });
    wishAll({ blue: { mtu: 1450, peers: { h2: 0 }, containers: {} } });
    await engine.start(["net:blue"]);
    expect(told("unlisted")).toMatchObject([
      { kind: "route", scope: "host", message: "no route to kernel" },
      { kind: "route", scope: "net:blue", message: "no route to kernel" },
    ]);
    expect(engine.plan().map(({ row, held }) => `${row.kind}: ${held}`)).toEqual([
      "route: net:blue is not listed yet",
      "route: net:blue is not listed yet",
    ]);
    isBroken = false;
    clock.advance(200);
    await engine.settled();
    expect(engine.plan()).toEqual([]);
  });

  test("a scope first wished later is listed before it is written, and loses what nobody wishes", async () => {
    const { engine, kernel, wishAll, told } = rig();
    await engine.start(["host"]);
    const left: Observed = {
      ...route,
      key: "10.9.0.0/16",
      value: { type: "unreachable", dst: "10.9.0.0/16" as never },
    };
    kernel.put({ kind: "namespace", scope: "host", key: "skein-blue", value: {} });
    kernel.put(left);
    wishAll(scene);
    await engine.settled();
    expect(kernel.print()).toBe(print(scene));
    expect(told("relisted").map(({ scope }) => scope)).toContain("net:blue");
  });

  test("rows that only reading finds are read when first wished, and written only where they differ", async () => {
    const kernel = fakeKernel();
    const values = new Map([
      ["a", "1"],
      ["b", "0"],
    ]);
    const reads: string[][] = [];
    const writes: string[] = [];
    const sysctl = {
      ...kernel.drivers.sysctl,
      list: () => Promise.reject(new Error("asked to list")),
      async read(scope, keys) {
        reads.push([...keys]);
        const rows = keys.filter((key) => values.has(key));
        return rows.map((key) => ({ kind: "sysctl", scope, key, value: { value: values.get(key) as string } }));
      },
      async apply(_scope, operations) {
        for (const { verb, row } of operations) writes.push(`${verb} ${row.key}`);
        return operations.map(() => undefined);
      },
    } satisfies Driver<"sysctl">;
    const { engine } = rig({ kernel, drivers: { ...kernel.drivers, sysctl } });
    const row = (key: string): Row => ({ kind: "sysctl", scope: "host", key, value: { value: "1" }, because: [] });
    const cause = { key: "start", at: 0 } as const;
    engine.wish("network blue", [row("a"), row("b")], cause);
    await engine.start(["host"]);
    values.set("c", "1");
    engine.wish("network red", [row("c"), row("d")], cause);
    await engine.settled();
    expect(reads).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(writes).toEqual(["replace b", "add d"]);
  });
});
