import { describe, expect, test } from "vitest";
import type { Row, Scope } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Driver } from "../../src/reconcile/kind.ts";
import { breathe, onApply, refused, rig, scopes, withoutRelists } from "./rig.ts";
import { network, print, wishes } from "./scene.ts";

const scene = { blue: { mtu: 1450, peers: { h2: 0 }, containers: { web: 0 } } };
const web: Scope = "at:/run/netns/blue-web";

describe("back-off", () => {
  test("a row that fails is tried after 0.1, 0.2, 0.4 ... 60 s; the others go through; 1, 2, 4, 8 are told", async () => {
    const kernel = fakeKernel();
    const times: number[] = [];
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      if (kind !== "fdb") return call(scope, operations);
      times.push(clock.now());
      return operations.map(() => refused);
    });
    const { engine, clock, wishAll, told, pass } = rig({ kernel, drivers, random: () => 0 });
    wishAll(scene);
    await engine.start(scopes);
    await pass(300_000);
    const pauses = times.slice(1).map((time, index) => time - (times[index] as number));
    const expected = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000, 60_000];
    expect(pauses.map((pause) => Math.round(pause / 50) * 50)).toEqual(expected);
    expect(told("failed").map(({ attempt, retryMs }) => [attempt, retryMs])).toEqual([
      [1, 100],
      [2, 200],
      [4, 800],
      [8, 12_800],
    ]);
    expect(kernel.print()).toBe(
      print(scene)
        .split("\n")
        .filter((line) => !line.startsWith("fdb "))
        .join("\n"),
    );
    expect(told("converged").at(-1)).toMatchObject({ waiting: 1 });
    expect(engine.failures()).toMatchObject([{ row: { kind: "fdb" }, units: ["peer blue h2"], attempt: 14 }]);
  });

  test("another failure of the same row is told", async () => {
    const { engine, kernel, wishAll, told, converge } = rig();
    wishAll(scene);
    for (const code of ["ENOBUFS", "ENOBUFS", "ENOBUFS", "EINVAL"]) kernel.failNext("fdb", { ...refused, code });
    await engine.start(scopes);
    await converge();
    expect(told("failed").map(({ failure, attempt }) => [failure.code, attempt])).toEqual([
      ["ENOBUFS", 1],
      ["ENOBUFS", 2],
      ["EINVAL", 4],
    ]);
  });

  test("a changed wish is tried at once, the same again is not, nor is one that an event makes dirty", async () => {
    const { engine, kernel, wishAll } = rig();
    kernel.failNext("fdb", refused);
    wishAll(scene);
    await engine.start(scopes);
    wishAll(scene);
    kernel.put({ ...(engine.failures()[0]?.row as Row), value: { dev: "vx0" } } as never);
    await engine.settled();
    expect(engine.failures()).toMatchObject([{ attempt: 1 }]);
    expect(engine.plan()).toMatchObject([{ verb: "replace", row: { kind: "fdb" }, held: /ENOBUFS/ }]);
    const other = { blue: { ...scene.blue, peers: { h2: 1 } } };
    wishAll(other);
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toBe(print(other));
  });

  test("the failure of a wish that has changed meanwhile does not hold up the new one", async () => {
    const kernel = fakeKernel();
    const other = { blue: { ...scene.blue, peers: { h2: 1 } } };
    let isFirst = true;
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      if (kind !== "fdb" || !isFirst) return call(scope, operations);
      isFirst = false;
      wishAll(other);
      return operations.map(() => refused);
    });
    const { engine, wishAll } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    expect(kernel.print()).toBe(print(other));
  });

  test("a row that is wished no more is forgotten, with its retry", async () => {
    const { engine, clock, kernel, wish, wishAll } = rig();
    kernel.failNext("fdb", refused);
    wishAll(scene);
    await engine.start(scopes);
    wish(["peer blue h2", []]);
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    clock.advance(1_000);
    await engine.settled();
    expect(kernel.print()).toBe(print({ blue: { ...scene.blue, peers: {} } }));
  });

  test("what somebody else mends is failing no more", async () => {
    const { engine, kernel, wishAll } = rig();
    kernel.failNext("fdb", refused);
    wishAll(scene);
    await engine.start(scopes);
    kernel.put(engine.failures()[0]?.row as Row);
    await engine.settled();
    expect(engine.failures()).toEqual([]);
  });

  test("a driver that throws, or answers too little, fails its own batch only", async () => {
    const kernel = fakeKernel();
    let answer = async (): Promise<undefined[]> => Promise.reject(new Error("boom"));
    const drivers = onApply(
      kernel.drivers,
      (kind, call) => (scope, operations) => (kind === "fdb" ? answer() : call(scope, operations)),
    );
    const { engine, wishAll, clock } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    expect(engine.failures()).toMatchObject([{ failure: { code: "DRIVER_FAILED", message: "boom" } }]);
    answer = async () => [];
    clock.advance(200);
    await engine.settled();
    expect(engine.failures()).toMatchObject([{ failure: { message: /expected 1 answers, got 0/ } }]);
  });
});

describe("rows that wait", () => {
  test("a container's namespace that comes late is filled when it appears, near end and all", async () => {
    const { engine, clock, kernel, wishAll, told } = rig();
    kernel.vanish(web);
    wishAll(scene);
    await engine.start(scopes);
    const waiting = engine.failures().map(({ row }) => `${row.kind} ${row.scope}`);
    expect(waiting).toContain("link net:blue");
    expect(waiting).toContain(`address ${web}`);
    clock.advance(1_000);
    await engine.settled();
    expect(engine.failures().every(({ attempt }) => attempt < 4)).toBe(true);
    kernel.appear(web);
    await engine.settled();
    clock.advance(110); // those that kept trying meanwhile have a pause of their own
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toBe(print(scene));
    expect(told("drifted")).toEqual([]);
  });

  test("an event that comes before the answer of the try that it was for is not missed", async () => {
    const kernel = fakeKernel();
    let comes = false;
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      const answers = await call(scope, operations);
      if (comes && kind === "link" && scope === "net:blue") kernel.appear(web);
      return answers;
    });
    kernel.vanish(web);
    const { engine, clock, wishAll, pass } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    expect(engine.failures()).not.toEqual([]);
    comes = true;
    clock.advance(13_000);
    await engine.settled();
    expect(engine.failures()).not.toEqual([]);
    await pass(500);
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toBe(print(scene));
  });

  /** An engine that has all it wishes but one FDB row, which waits, and counts how often that is tried. */
  async function waiting() {
    const kernel = fakeKernel();
    let tries = 0;
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      if (kind !== "fdb") return call(scope, operations);
      tries++;
      return operations.map(() => ({ ...refused, next: "wait" as const }));
    });
    const made = rig({ kernel, drivers, random: () => 0 });
    made.wish(["network blue", network("blue")]);
    await made.engine.start(scopes);
    const rows = wishes(scene).flatMap(([, rows]) => rows.filter(({ kind }) => kind === "fdb"));
    made.wish(["peer blue h2", rows]);
    await made.engine.settled();
    return { ...made, tries: () => tries };
  }

  test("without any event they are tried slowly", async () => {
    const { pass, tries } = await waiting();
    await pass(4_900);
    expect(tries()).toBe(1);
    await pass(200);
    expect(tries()).toBe(2);
  });

  test("the echo of the failing write itself does not wake it", async () => {
    const kernel = fakeKernel();
    let tries = 0;
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      if (kind !== "fdb") return call(scope, operations);
      if (++tries > 10) throw new Error("spinning");
      kernel.appear(scope);
      return operations.map(() => ({ ...refused, next: "wait" as const }));
    });
    const { engine, clock, wishAll } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    for (let n = 0; n < 4; n++) {
      clock.advance(6_000);
      await engine.settled();
    }
    expect(tries).toBeLessThan(6);
  });

  test("an event of its scope wakes a row, but events by the thousand do not make it spin", async () => {
    const { engine, clock, kernel, tries } = await waiting();
    for (let n = 0; n < 1_000; n++) {
      clock.advance(1);
      kernel.appear("net:blue");
      await engine.settled();
    }
    expect(tries()).toBeGreaterThan(5);
    expect(tries()).toBeLessThan(13);
  });
});

describe("a driver that does not answer", () => {
  test("holds up its scope alone, and its answer sets it going again", async () => {
    const kernel = fakeKernel();
    const hung = Promise.withResolvers<void>();
    const drivers = onApply(withoutRelists(kernel.drivers), (kind, call) => async (scope, operations) => {
      if (kind === "guard" && scope === "net:blue") await hung.promise;
      return call(scope, operations);
    });
    const { engine, clock, wish, told } = rig({ kernel, drivers });
    wish(["network blue", network("blue")], ["network red", network("red")]);
    const started = engine.start(scopes);
    await breathe();
    clock.advance(5_000);
    await started;
    expect(told("stalled")).toMatchObject([{ kind: "guard", scope: "net:blue", rows: 2 }]);
    const red = print({ red: { mtu: 1450, peers: {}, containers: {} } });
    expect(kernel.print()).toBe([...red.split("\n"), "netns skein-blue"].sort().join("\n"));
    expect(engine.plan().map(({ held }) => held)).toEqual(engine.plan().map(() => "net:blue does not answer"));
    expect(told("converged").at(-1)).toMatchObject({ waiting: 2 });

    wish(["network red", []]);
    await engine.settled();
    expect(kernel.print()).not.toContain("red");

    hung.resolve();
    await breathe();
    await engine.settled();
    expect(kernel.print()).toBe(print({ blue: { mtu: 1450, peers: {}, containers: {} } }));
  });

  test("to a list holds up that kind in its scope alone", async () => {
    const kernel = fakeKernel();
    const hung = Promise.withResolvers<void>();
    let isHung = false;
    const list: Driver<"route">["list"] = async (scope) => {
      if (isHung && scope === "net:blue") await hung.promise;
      return kernel.drivers.route.list(scope);
    };
    const drivers = { ...kernel.drivers, route: { ...kernel.drivers.route, list } };
    const { engine, clock, wish, wishAll, told } = rig({ kernel, drivers });
    wish(["network blue", network("blue")]);
    await engine.start(scopes);
    isHung = true;
    kernel.appear("net:blue");
    await breathe();
    wishAll(scene);
    clock.advance(5_000);
    await engine.settled();
    expect(told("stalled")).toMatchObject([{ kind: "route", scope: "net:blue", rows: 0 }]);
    expect(kernel.print()).toContain("fdb");
    expect(kernel.print()).not.toContain("route 10.42.2.0/24");
    hung.resolve();
    await breathe();
    await engine.settled();
    expect(kernel.print()).toBe(print(scene));
  });

  test("stopping does not wait for it", async () => {
    const kernel = fakeKernel();
    const drivers = onApply(kernel.drivers, () => () => new Promise(() => {}));
    const { engine, clock, wish } = rig({ kernel, drivers });
    wish(["network blue", network("blue")]);
    void engine.start(scopes);
    await breathe();
    await engine.stop();
    await engine.settled();
    expect(clock.pending).toBe(0);
  });
});
