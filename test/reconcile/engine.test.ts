import { describe, expect, test } from "vitest";
import { kinds, type Row } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Driver, Drivers } from "../../src/reconcile/kind.ts";
import { same } from "../../src/reconcile/same.ts";
import { onApply, refused, rig, scopes } from "./rig.ts";
import { network, record, wishes } from "./scene.ts";

const scene = { blue: { mtu: 1450, peers: { h2: 0 }, containers: {} } };
const cause = { key: record("networks/blue"), revision: "12", at: 1_000 };

function sysctl(value: string, because: string): Row {
  return { kind: "sysctl", scope: "host", key: "net.ipv4.ip_forward", value: { value }, because: [record(because)] };
}

describe("starting", () => {
  test("nothing is listed or written before", async () => {
    const { engine, kernel, wishAll, events } = rig();
    wishAll(scene);
    await Promise.resolve();
    expect(kernel.writes).toBe(0);
    expect(events).toEqual([]);
    expect(engine.plan().every(({ verb, held }) => verb === "add" && held?.endsWith("is not listed yet"))).toBe(true);
  });

  test("observing writes nothing, follows the kernel, and makes the plan true", async () => {
    const { engine: first, kernel, wishAll } = rig();
    wishAll(scene);
    await first.start(scopes);
    await first.stop();
    const writes = kernel.writes;

    const { engine, wish } = rig({ kernel });
    wish(...wishes({ blue: { mtu: 1400, peers: {}, containers: {} } }));
    await engine.observe(scopes);
    kernel.remove({ kind: "route", scope: "net:blue", key: "10.42.0.0/16" });
    await engine.settled();
    expect(engine.plan().map(({ verb, row, held }) => `${verb} ${row.kind} ${row.key}${held ?? ""}`)).toEqual([
      "replace guard bridge chain ports",
      "replace link br0",
      "replace link vx0",
      "add route 10.42.0.0/16",
      "remove route 10.42.2.0/24",
      "remove tunnel conn-h2 child-blue",
      "remove tunnel conn-h2",
      "remove policy out 0.0.0.0/0 10.42.2.0/24 if_id 0x53000004",
      "remove policy in 10.42.2.0/24 0.0.0.0/0 if_id 0x53000004",
      "remove fdb vx0 0e:53:0a:2a:02:01",
      "remove neighbour vx0 10.42.2.1",
    ]);
    expect(kernel.writes).toBe(writes);
    await engine.start(scopes);
    expect(engine.plan()).toEqual([]);
  });

  test("events carry the record, its revision, and the time since it was learned of", async () => {
    const { engine, clock, told } = rig();
    await engine.start(scopes);
    engine.wish("network blue", network("blue").slice(0, 1), { ...cause, at: clock.now() - 5 });
    await engine.settled();
    expect(told("added")).toMatchObject([{ row: { kind: "namespace" }, cause: { ...cause, at: 995 }, ms: 5 }]);
    engine.wish("network blue", [], { key: record("networks/blue"), revision: "13", at: clock.now() });
    await engine.settled();
    expect(told("removed")).toMatchObject([{ row: { key: "skein-blue" }, cause: { revision: "13" }, ms: 0 }]);
    expect(told("converged").at(-1)).toEqual({ type: "converged", rows: 0, waiting: 0, writes: 1, ms: 0 });
  });

  test("a burst of wishes is one round", async () => {
    const kernel = fakeKernel();
    let batches = 0;
    const drivers = onApply(kernel.drivers, (_kind, call) => (scope, operations) => {
      batches++;
      return call(scope, operations);
    });
    const { engine, told, wishAll, wish } = rig({ kernel, drivers });
    wishAll(scene);
    await engine.start(scopes);
    batches = 0;
    for (let n = 0; n < 200; n++) {
      const dst = `10.42.${n}.0/25` as never;
      const value = { type: "unreachable", dst } as const;
      wish([`peer blue n${n}`, [{ kind: "route", scope: "net:blue", key: dst, value, because: [] }]]);
    }
    await engine.settled();
    expect(batches).toBe(1);
    expect(told("converged").length).toBe(2);
  });

  test("after stop nothing moves any more", async () => {
    const { engine, clock, kernel, wish, wishAll } = rig();
    kernel.failNext("fdb", refused);
    wishAll(scene);
    await engine.start(scopes);
    await engine.stop();
    const writes = kernel.writes;
    wish(["network blue", []]);
    kernel.remove({ kind: "route", scope: "net:blue", key: "10.42.2.0/24" });
    clock.advance(100_000);
    await engine.settled();
    expect(kernel.writes).toBe(writes);
    expect(clock.pending).toBe(0);
  });
});

describe("several units that wish one row", () => {
  test("are all its reason, and the last to go takes it along", async () => {
    const { engine, kernel, told } = rig();
    await engine.start(scopes);
    engine.wish("network red", [sysctl("1", "networks/red")], cause);
    engine.wish("network blue", [sysctl("1", "networks/blue")], cause);
    await engine.settled();
    const units = ["network blue", "network red"];
    const because = ["networks/blue", "networks/red"];
    expect([...engine.rows()]).toMatchObject([{ row: { because }, units }]);
    expect(told("added")).toMatchObject([{ row: { because } }]);
    engine.wish("network blue", [], cause);
    await engine.settled();
    expect([...engine.rows()]).toMatchObject([{ row: { because: ["networks/red"] }, units: ["network red"] }]);
    expect(kernel.print()).toBe("sysctl net.ipv4.ip_forward=1");
    engine.wish("network red", [], cause);
    await engine.settled();
    expect(kernel.print()).toBe("");
    expect(told("conflicted")).toEqual([]);
  });

  test.each([
    ["first", ["network blue", "network red"]],
    ["last", ["network red", "network blue"]],
  ] as const)(
    "with different values: the first by name wins, though it comes %s, and it is told once",
    async (_, order) => {
      const { engine, kernel, told } = rig();
      await engine.start(scopes);
      const wish = (unit: "network blue" | "network red") =>
        engine.wish(unit, [sysctl(unit === "network blue" ? "1" : "0", unit)], cause);
      for (const unit of [...order, ...order]) wish(unit);
      await engine.settled();
      expect(kernel.print()).toBe("sysctl net.ipv4.ip_forward=1");
      expect(told("conflicted")).toMatchObject([
        { row: { value: { value: "1" } }, units: ["network blue", "network red"] },
      ]);
      expect([...engine.rows()]).toMatchObject([{ row: { because: ["network blue"] } }]);
      engine.wish("network blue", [], cause);
      await engine.settled();
      expect(kernel.print()).toBe("sysctl net.ipv4.ip_forward=0");
    },
  );

  test("a row that moves from one unit to another in one burst is not written", async () => {
    const { engine, kernel } = rig();
    await engine.start(scopes);
    engine.wish("endpoint blue h1/web", [sysctl("1", "web")], cause);
    await engine.settled();
    const writes = kernel.writes;
    engine.wish("endpoint blue h1/web", [], cause);
    engine.wish("network blue", [sysctl("1", "blue")], cause);
    await engine.settled();
    expect(kernel.writes).toBe(writes);
  });
});

describe("leaving", () => {
  test("removes every row, brake or not, and stops", async () => {
    const { engine, clock, kernel, wish, wishAll, told } = rig();
    wishAll({ ...scene, red: scene.blue });
    await engine.start(scopes);
    engine.doubt("relist");
    wish(["network blue", []]);
    const cleared = engine.clear();
    wishAll(scene); // records go on arriving
    await cleared;
    expect(kernel.print()).toBe("");
    expect(told("removed").at(-1)?.cause.key).toBe("leave");
    expect(clock.pending).toBe(0);
  });

  test("after looking only, for an agent that does not run", async () => {
    const { engine: first, kernel, wishAll } = rig();
    wishAll(scene);
    await first.start(scopes);
    await first.stop();
    const { engine } = rig({ kernel });
    await engine.observe(scopes);
    await engine.clear();
    expect(kernel.print()).toBe("");
  });

  test("tries again what will not go, and says in the end what is left", async () => {
    const kernel = fakeKernel();
    let isStuck = true;
    const drivers = onApply(
      kernel.drivers,
      (kind, call) => async (scope, operations) =>
        isStuck && kind === "sysctl" ? operations.map(() => refused) : call(scope, operations),
    );
    const { engine, clock } = rig({ kernel, drivers });
    isStuck = false;
    engine.wish("network blue", [sysctl("1", "blue")], cause);
    await engine.start(scopes);
    isStuck = true;
    const cleared = engine.clear();
    for (let n = 0; n < 50; n++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(100);
    }
    await cleared;
    expect(engine.failures()).toMatchObject([{ row: { kind: "sysctl" }, failure: refused }]);
    expect(engine.failures()[0]?.attempt).toBeGreaterThan(4);
    expect(clock.pending).toBe(0);
  });
});

describe("cost", () => {
  test("one wish among 100,000 rows compares its own row only, and so does one deletion", async () => {
    const kernel = fakeKernel();
    const notices$ = kernel.drivers.route.notices$;
    let compared = 0;
    let listed = 0;
    const counted = kinds.map((kind) => {
      const driver: Driver = {
        kind,
        notices$,
        async list() {
          listed++;
          return [];
        },
        apply: async (_scope, operations) => operations.map(() => undefined),
        same(wish, found) {
          compared++;
          return same(wish, found);
        },
      };
      return [kind, driver];
    });
    const { engine, told } = rig({ drivers: Object.fromEntries(counted) as Drivers });
    const route = (n: number, dev: string): Row => {
      const dst = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32` as never;
      return {
        kind: "route",
        scope: "net:blue",
        key: dst,
        value: { type: "unicast", dst, dev, scope: "link" },
        because: [],
      };
    };
    for (let n = 0; n < 100_000; n++) engine.wish(`endpoint blue h2/${n}`, [route(n, "br0")], cause);
    await engine.start(["net:blue"]);
    expect(told("added").length).toBe(100_000);

    compared = 0;
    listed = 0;
    engine.wish("endpoint blue h2/70000", [route(70_000, "vx0")], cause);
    await engine.settled();
    expect(told("replaced").length).toBe(1);
    expect(compared).toBeLessThan(10);

    compared = 0;
    kernel.put({ ...route(5, "wg0") });
    await engine.settled();
    expect(told("repaired").length).toBe(1);
    expect(compared).toBeLessThan(10);
    expect(listed).toBe(0);
  });
});
