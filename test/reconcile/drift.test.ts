import { NEVER, Observable, Subject } from "rxjs";
import { describe, expect, test } from "vitest";
import { kinds, type Row } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Driver, Drivers, Notice, Observed } from "../../src/reconcile/kind.ts";
import { breathe, onApply, rig, scopes, withoutRelists } from "./rig.ts";
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
  test.each(kinds.filter((kind) => kind !== "translation" && kind !== "resolver"))(
    "a deleted %s is told and repaired",
    async (kind) => {
      const { engine, clock, kernel, told } = await holding();
      const [row] = [...engine.rows()].map(({ row }) => row).filter((row) => row.kind === kind);
      kernel.remove(row as Row);
      clock.advance(3);
      await engine.settled();
      expect(kernel.print()).toBe(print(scene));
      expect(told("drifted")).toContainEqual({ type: "drifted", row, found: undefined });
      expect(told("repaired")).toContainEqual({ type: "repaired", row, cause: { key: "drift", at: 1000 }, ms: 3 });
    },
  );

  test("a changed row is replaced", async () => {
    const { engine, kernel, told, wish } = await holding();
    const row = [...engine.rows()].map(({ row }) => row).find(({ key }) => key === route.key);
    const value = { type: "unreachable", dst: "10.42.2.0/24" } as never;
    kernel.put({ ...route, value });
    await engine.settled();
    expect(told("drifted")).toMatchObject([{ row: route, found: value }]);
    expect(told("repaired")).toMatchObject([{ row: route }]);
    expect(kernel.print()).toBe(print(scene));
    // What is wished differently after that is no repair.
    wish(["peer blue h2", [{ ...(row as Row), value }]] as never);
    await engine.settled();
    expect(told("repaired").length).toBe(1);
    expect(told("replaced").length).toBe(1);
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

  test.each(["told of its inside", "told of itself only"])(
    "a namespace deleted by hand, %s, comes back full",
    async (how) => {
      const kernel = fakeKernel();
      const drivers = how === "told of itself only" ? withoutRelists(kernel.drivers) : kernel.drivers;
      const { engine, converge, wish } = rig({ kernel, drivers });
      const scene = { blue: { mtu: 1450, peers: { h2: 0 }, containers: {} } };
      wish(...wishes(scene));
      await engine.start(scopes);
      kernel.remove({ kind: "namespace", scope: "host", key: "skein-blue" });
      await engine.settled();
      await converge();
      expect(kernel.print()).toBe(print(scene));
    },
  );
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

  test("is not hurried by what is applied beside it", async () => {
    const { engine, clock, kernel, wish, told } = await holding();
    const link = (n: number): Row => {
      const value = { type: "bridge", mtu: 1_000 + n, up: true } as const;
      return { kind: "link", scope: "net:blue", key: "br9", value, because: [] };
    };
    for (let n = 0; n < 400; n++) {
      kernel.remove(route);
      wish(["extra blue", [link(n)]]);
      await engine.settled();
      clock.advance(25);
      await engine.settled();
    }
    expect(told("repaired").length).toBeLessThan(25);
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

  test("a notice that came while the first list was under way is newer", async () => {
    const list = Promise.withResolvers<Observed[]>();
    const { drivers, notices$ } = listed(() => list.promise as never);
    const { engine, told } = rig({ drivers });
    engine.wish("peer blue h2", [row as Row], { key: "start", at: 0 });
    const started = engine.start(["net:blue"]);
    await breathe();
    notices$.next(absent);
    list.resolve([found]);
    await started;
    expect(told("added").length).toBe(1);
  });

  test("a row that came while a list was under way is there, though the list has it not", async () => {
    const lists: PromiseWithResolvers<Observed[]>[] = [];
    const { drivers, notices$ } = listed(() => {
      const list = Promise.withResolvers<Observed[]>();
      lists.push(list);
      return list.promise as never;
    });
    const { engine, events, told } = rig({ drivers });
    engine.wish("peer blue h2", [row as Row], { key: "start", at: 0 });
    void engine.start(["net:blue"]);
    await breathe();
    for (const list of lists) list.resolve([found]);
    await engine.settled();
    events.length = 0;
    notices$.next({ type: "relist", scope: "net:blue", kinds: ["route"], why: "lost" });
    await breathe();
    notices$.next({ type: "present", row: found });
    lists.at(-1)?.resolve([]);
    await engine.settled();
    expect(told("relisted").length).toBe(1);
    expect(told("drifted")).toEqual([]);
  });

  test("what is left from before is removed for the start's sake, links included", async () => {
    const kernel = fakeKernel();
    const value = { type: "bridge", mtu: 1450, up: true } as const;
    kernel.put({ kind: "namespace", scope: "host", key: "skein-blue", value: {} });
    kernel.put({ kind: "link", scope: "net:blue", key: "br0", value });
    const { engine, told } = rig({ kernel });
    await engine.start(scopes);
    expect(told("removed").map(({ row, cause }) => [row.key, cause.key])).toEqual([
      ["br0", "start"],
      ["skein-blue", "start"],
    ]);
  });

  test("a scope is forgotten with its last row, and listed when it is wished again", async () => {
    const { engine, wish, wishAll, told } = await holding();
    wish(["endpoint blue h1/web", []]);
    await engine.settled();
    expect(told("relisted").filter(({ why }) => why === "first wished")).toEqual([]);
    wishAll(scene);
    await engine.settled();
    const scopesListed = told("relisted")
      .filter(({ why }) => why === "first wished")
      .map(({ scope }) => scope);
    expect(scopesListed).toEqual(["at:/run/netns/blue-web"]);
  });

  test("a stream that several drivers share is followed once", async () => {
    let followers = 0;
    const notices$ = new Observable<Notice>(() => {
      followers++;
    });
    const apply: Driver["apply"] = async () => [];
    const drivers = Object.fromEntries(kinds.map((kind) => [kind, { kind, notices$, apply, list: async () => [] }]));
    await rig({ drivers: drivers as unknown as Drivers }).engine.start([]);
    expect(followers).toBe(1);
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
    expect(told("unlisted")).toMatchObject([{ kind: "route", scope: "net:blue", message: "no route to kernel" }]);
    expect(engine.plan().map(({ row, held }) => `${row.kind}: ${held}`)).toEqual([
      "route: net:blue is not listed yet",
      "route: net:blue is not listed yet",
    ]);
    isBroken = false;
    clock.advance(200);
    await engine.settled();
    expect(engine.plan()).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("after stop nobody is asked to list again", async () => {
    const { drivers } = listed(() => Promise.reject(new Error("no route to kernel")));
    const { engine, clock } = rig({ drivers });
    await engine.start(["host"]);
    expect(clock.pending).toBe(1);
    await engine.stop();
    expect(clock.pending).toBe(0);
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

  test("what nobody told of is found by the sweep, within its time", async () => {
    const kernel = fakeKernel();
    const deaf = kinds.map((kind) => [kind, { ...kernel.drivers[kind], notices$: NEVER }]);
    const { engine, clock, wishAll, told } = rig({ kernel, drivers: Object.fromEntries(deaf), sweepMs: 60_000 });
    wishAll(scene);
    await engine.start(scopes);
    const listed = told("relisted").length;
    kernel.remove(route);
    for (let seconds = 0; seconds < 60; seconds++) {
      clock.advance(1_000);
      await engine.settled();
    }
    expect(kernel.print()).toBe(print(scene));
    expect(told("repaired").length).toBe(1);
    expect(told("relisted").length).toBe(listed);
    await engine.stop();
    expect(clock.pending).toBe(0);
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
