import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds, type Row } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Cidr } from "../../src/model/address.ts";
import type { Operation } from "../../src/reconcile/kind.ts";
import { onApply, refused, rig, scopes, withoutRelists } from "./rig.ts";
import { anyScene, network, print, step, wishes } from "./scene.ts";

/** An engine whose operations are written down in the order they reach the drivers. */
function recorded() {
  const kernel = fakeKernel();
  const operations: Operation[] = [];
  const drivers = onApply(kernel.drivers, (_kind, call) => (scope, batch) => {
    operations.push(...batch);
    return call(scope, batch);
  });
  return { ...rig({ kernel, drivers }), operations };
}

const text = ({ verb, row }: Operation) => `${verb} ${row.kind} ${row.scope} ${row.key}`;

describe("order", () => {
  test("adds go up the kinds, removals come down after them, and nothing fails for want of another", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, async (before, after) => {
        const { engine, events, kernel, operations, wish, wishAll } = recorded();
        wishAll(before);
        await engine.start(scopes);
        operations.length = 0;
        wish(...step(before, after));
        await engine.settled();
        expect(kernel.print()).toBe(print(after));
        expect(events.filter(({ type }) => type === "failed")).toEqual([]);
        const firstRemoval = operations.findIndex(({ verb }) => verb === "remove");
        const turn = operations.length;
        const makes = operations.slice(0, firstRemoval < 0 ? turn : firstRemoval);
        const breaks = operations.slice(makes.length);
        expect(breaks.map(({ verb }) => verb).filter((verb) => verb !== "remove")).toEqual([]);
        const rank = ({ row }: Operation) => kinds.indexOf(row.kind);
        expect(makes.map(rank)).toEqual(makes.map(rank).sort((a, b) => a - b));
        expect(breaks.map(rank)).toEqual(breaks.map(rank).sort((a, b) => b - a));
      }),
      { numRuns: 200 },
    );
  });

  test("far ends follow the near ends that bring them, bridges come before their ports, sets before chains", async () => {
    const { engine, operations, wish } = recorded();
    const scene = { blue: { mtu: 1450, peers: {}, containers: { web: 0 } } };
    wish(...wishes(scene).toReversed());
    await engine.start(scopes);
    const order = operations.map(text);
    const places = ["guard net:blue bridge set", "guard net:blue bridge chain", "guard net:blue bridge element"]
      .concat(["link net:blue br0", "link net:blue skcweb", "sysctl net:blue", "address at:/run/netns/blue-web eth0"])
      .map((start) => order.findIndex((line) => line.startsWith(`add ${start}`)));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    // The near end brings the far end as it is wished, so nothing is written for it.
    expect(order.filter((line) => line.includes("link at:"))).toEqual([]);
  });

  test("a route is not tried before the link of its round, nor a link before its guard", async () => {
    const { engine, operations, wish, told, kernel, converge } = recorded();
    kernel.failNext("guard", refused);
    wish(["network blue", network("blue")]);
    await engine.start(scopes);
    expect(operations.map(text).filter((line) => line.includes(" link "))).toEqual([]);
    expect(told("failed").map(({ row, failure }) => `${row.key}: ${failure.code}`)).toContain("br0: UNGUARDED");
    await converge();
    expect(kernel.print()).toBe(print({ blue: { mtu: 1450, peers: {}, containers: {} } }));
    const guard = operations.findLastIndex(({ row }) => row.kind === "guard");
    expect(guard).toBeLessThan(operations.findIndex(({ row }) => row.kind === "link"));
  });

  test("a link whose guard is in another scope goes up with it, not at its own next try", async () => {
    const { engine, clock, kernel, wish } = recorded();
    const [, , chain] = network("blue") as [Row, Row, Row];
    const rows = network("blue").filter(({ kind }) => kind === "namespace" || kind === "link");
    kernel.failNext("guard", refused);
    wish(["network blue", [...rows, { ...chain, scope: "host" }]]);
    await engine.start(scopes);
    expect(kernel.print()).toBe("netns skein-blue");
    clock.advance(130);
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toContain("link br0");
  });

  test("a namespace that goes takes its rows along: only links are removed one by one, all are told", async () => {
    const { engine, operations, wish, wishAll, told, kernel } = recorded();
    wishAll({
      blue: { mtu: 1450, peers: { h2: 0, h3: 0 }, containers: {} },
      red: { mtu: 1450, peers: {}, containers: {} },
    });
    await engine.start(scopes);
    const rows = kernel
      .print()
      .split("\n")
      .filter((line) => /blue|^ike|^xfrm/.test(line)).length;
    operations.length = 0;
    wish(["network blue", []], ["peer blue h2", []], ["peer blue h3", []]);
    await engine.settled();
    // What is the host's goes one by one in any case.
    const inside = operations.map(text).filter((each) => !/^remove (?:policy|tunnel) host /.test(each));
    expect(inside.sort()).toEqual([
      "remove link net:blue br0",
      "remove link net:blue vx0",
      "remove namespace host skein-blue",
    ]);
    expect(told("removed").length).toBe(rows);
    expect(told("drifted")).toEqual([]);
    expect(kernel.print()).toBe(print({ red: { mtu: 1450, peers: {}, containers: {} } }));
  });

  test("what went with a namespace is told, though no driver says so", async () => {
    const kernel = fakeKernel();
    const { engine, wish, told } = rig({ kernel, drivers: withoutRelists(kernel.drivers) });
    wish(["network blue", network("blue")]);
    await engine.start(scopes);
    wish(["network blue", []]);
    await engine.settled();
    expect(told("removed").length).toBe(network("blue").length);
    expect(engine.plan()).toEqual([]);
  });

  test("a namespace that will not go loses its rows one by one", async () => {
    const { engine, kernel, operations, wish, converge } = recorded();
    wish(["network blue", network("blue")]);
    await engine.start(scopes);
    operations.length = 0;
    kernel.failNext("namespace", { code: "EBUSY", message: "Cannot remove", next: "retry" });
    wish(["network blue", []]);
    await converge();
    expect(operations.map(text)).toContain("remove guard net:blue bridge chain ports");
    expect(kernel.print()).toBe("");
  });

  test("a namespace that is wished again before its turn to go keeps nothing that hung on no link", async () => {
    const kernel = fakeKernel();
    let meanwhile = () => {};
    const drivers = onApply(kernel.drivers, (kind, call) => (scope, batch) => {
      if (kind === "link" && batch.some(({ verb }) => verb === "remove")) meanwhile();
      return call(scope, batch);
    });
    const { engine, wish } = rig({ kernel, drivers });
    const old = network("blue").map((row): Row => {
      if (row.kind !== "route") return row;
      const dst = "10.0.0.0/8" as Cidr;
      return { ...row, key: dst, value: { type: "unreachable", dst } };
    });
    wish(["network blue", old]);
    await engine.start(scopes);
    meanwhile = () => {
      meanwhile = () => {};
      wish(["network blue", network("blue")]);
    };
    wish(["network blue", []]);
    await engine.settled();
    expect(kernel.print()).toBe(print({ blue: { mtu: 1450, peers: {}, containers: {} } }));
    expect(engine.plan()).toEqual([]);
  });

  test.each([
    ["an FDB row", "its device", { kind: "fdb", key: "vx0 0e:53:0a:2a:02:01" }, { kind: "link", key: "vx0" }],
    ["a port", "its bridge", { kind: "link", key: "skcweb" }, { kind: "link", key: "br0" }],
  ] as const)("%s that failed for want of %s goes on at once when that is back", async (_row, _need, row, need) => {
    const { engine, kernel, wishAll } = rig();
    const scene = { blue: { mtu: 1450, peers: { h2: 0 }, containers: { web: 0 } } };
    wishAll(scene);
    await engine.start(scopes);
    kernel.failNext(row.kind, refused);
    kernel.remove({ scope: "net:blue", ...row });
    await engine.settled();
    expect(engine.failures()[0]?.row).toMatchObject(row);
    kernel.remove({ scope: "net:blue", ...need });
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toBe(print(scene));
  });

  test("scopes of one kind go side by side; nothing goes beside namespaces, links or sysctls", async () => {
    const kernel = fakeKernel();
    const under = new Set<string>();
    let most = 0;
    const isAwaited = (kind: string | undefined) => ["namespace", "link", "sysctl"].includes(kind ?? "");
    const drivers = onApply(kernel.drivers, (kind, call) => async (scope, operations) => {
      for (const other of under) if (isAwaited(kind)) expect(other.split(" ")[0]).toBe(kind);
      for (const other of under) if (isAwaited(other.split(" ")[0])) expect(other.split(" ")[0]).toBe(kind);
      under.add(`${kind} ${scope}`);
      most = Math.max(most, under.size);
      // As the real kernel does: in the order of the calls, and later than those who call.
      const answers = call(scope, operations);
      await Promise.resolve();
      under.delete(`${kind} ${scope}`);
      return answers;
    });
    const { engine, wish } = rig({ kernel, drivers });
    wish(["network blue", network("blue")], ["network red", network("red")]);
    await engine.start(scopes);
    expect(most).toBeGreaterThan(2);
    expect(engine.plan()).toEqual([]);
  });

  test("what a lower kind brings back lets what failed for want of it go on, without waiting for its back-off", async () => {
    const { engine, clock, kernel, wish, converge } = rig();
    const route: Row = {
      kind: "route",
      scope: "net:blue",
      key: "10.9.0.0/24",
      value: { type: "unicast", dst: "10.9.0.0/24" as never, dev: "late0", scope: "link" },
      because: [],
    };
    wish(["network blue", network("blue")], ["extra blue", [route]]);
    await engine.start(scopes);
    for (let tries = 0; tries < 8; tries++) {
      clock.advance((engine.failures()[0]?.retryAt ?? 0) - clock.now() + 10);
      await engine.settled();
    }
    const [failed] = engine.failures();
    expect(failed?.attempt).toBe(9);
    clock.advance(200);
    // One that comes after it changes nothing for it.
    const chain = { object: "chain", family: "inet", name: "masquerade", rules: [] } as const;
    wish([
      "late blue",
      [{ kind: "translation", scope: "net:blue", key: "inet chain masquerade", value: chain, because: [] }],
    ]);
    await engine.settled();
    expect(engine.failures()[0]?.attempt).toBe(9);
    const value = { type: "bridge", mtu: 1450, up: true } as const;
    wish(["dev blue", [{ kind: "link", scope: "net:blue", key: "late0", value, because: [] }]]);
    await engine.settled();
    expect(engine.failures()).toEqual([]);
    expect(kernel.print()).toContain("route 10.9.0.0/24 dev late0");
    await converge();
  });
});
