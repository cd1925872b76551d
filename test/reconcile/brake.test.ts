import { describe, expect, test } from "vitest";
import { type Rig, rig, scopes } from "./rig.ts";
import { print, type Scene, step, wishes } from "./scene.ts";

const peers = { h2: 0, h3: 0, h4: 0 };
const full: Scene = {
  blue: { mtu: 1450, peers, containers: { mongo: 0, web: 1 } },
  red: { mtu: 1450, peers, containers: {} },
};
const small: Scene = { blue: { mtu: 1450, peers, containers: {} } };

/** An engine that holds the scene and has no doubt left. */
async function holding(scene: Scene, options?: Parameters<typeof rig>[0]): Promise<Rig> {
  const made = rig(options);
  made.wishAll(scene);
  await made.engine.start(scopes);
  expect(made.kernel.print()).toBe(print(scene));
  return made;
}

describe("the brake", () => {
  test("deletions that were seen are done, however many", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    wish(...step(full, {}));
    await engine.settled();
    expect(kernel.print()).toBe("");
    expect(told("braked")).toEqual([]);
  });

  test("in doubt, losing most rows is held, told and planned, while adds go on", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    const rows = kernel.print().split("\n").length;
    const after: Scene = { green: { mtu: 1450, peers: {}, containers: {} } };
    engine.doubt("relist of blue");
    wish(...step(full, after));
    await engine.settled();
    const [braked] = told("braked");
    expect(braked).toMatchObject({ why: "relist of blue", removals: rows - 1 });
    for (const line of print(full).split("\n")) expect(kernel.print()).toContain(line);
    for (const line of print(after).split("\n")) expect(kernel.print()).toContain(line);
    expect(engine.plan().every(({ verb, held }) => verb === "remove" && held?.includes("relist of blue"))).toBe(true);
    expect(engine.plan().length).toBe(rows - 1);

    expect(engine.braked()).toMatchObject({ why: "relist of blue", removals: rows - 1 });

    expect(engine.release()).toBe(rows - 1);
    await engine.settled();
    expect(engine.braked()).toBeUndefined();
    expect(kernel.print()).toBe(print(after));
    expect(told("released")).toEqual([{ type: "released", removals: rows - 1 }]);
    expect(told("removed").at(-1)?.cause.key).toBe("release");
  });

  test("a start against an emptied etcd holds what is there", async () => {
    const { engine: first, kernel } = await holding(full);
    await first.stop();
    const { engine, told } = rig({ kernel });
    await engine.start(scopes);
    expect(told("braked")).toMatchObject([{ why: "start" }]);
    expect(kernel.print()).toBe(print(full));
  });

  test("records that come back, keyspace by keyspace, make the removals unnecessary", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    engine.doubt("revision went back");
    wish(...step(full, {}));
    await engine.settled();
    for (const one of wishes(full)) {
      wish(one);
      await engine.settled();
      expect(kernel.print()).toBe(print(full));
    }
    expect(engine.plan()).toEqual([]);
    expect(told("removed")).toEqual([]);
    // The doubt is over with them.
    wish(...step(full, {}));
    await engine.settled();
    expect(kernel.print()).toBe("");
  });

  test("losses that come in parts are judged in one, when all of the world is there", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    engine.partial(true);
    for (const [unit] of wishes(full)) {
      engine.doubt(`relist of ${unit}`);
      wish([unit, []]);
      await engine.settled();
    }
    expect(kernel.print()).toBe(print(full));
    expect(told("braked")).toEqual([]);
    engine.partial(false);
    await engine.settled();
    expect(kernel.print()).toBe(print(full));
    expect(told("braked")).toMatchObject([{ removals: print(full).split("\n").length }]);
  });

  test("a small loss waits for the rest of the world, and passes then", async () => {
    const { engine, clock, kernel, wish, told } = await holding(full);
    const less = { ...full, red: { mtu: 1450, peers: {}, containers: {} } };
    engine.partial(true);
    engine.doubt("relist");
    wish(...step(full, less));
    await engine.settled();
    expect(kernel.print()).toBe(print(full));
    engine.doubt("relist of another");
    clock.advance(61_000);
    wish(...step(less, less));
    engine.partial(false);
    await engine.settled();
    expect(kernel.print()).toBe(print(less));
    expect(told("braked")).toEqual([]);
  });

  test("in doubt, a small removal passes, and ends the doubt", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    const less = { ...full, red: { mtu: 1450, peers: {}, containers: {} } };
    engine.doubt("relist");
    wish(...step(full, less));
    await engine.settled();
    expect(kernel.print()).toBe(print(less));
    wish(...step(less, {}));
    await engine.settled();
    expect(kernel.print()).toBe("");
    expect(told("braked")).toEqual([]);
  });

  test("drift does not end the doubt before the wishes in question have come", async () => {
    const { engine, kernel, wish, told } = await holding(full);
    engine.doubt("relist");
    kernel.remove({ kind: "route", scope: "net:blue", key: "10.42.2.0/24" });
    await engine.settled();
    wish(...step(full, {}));
    await engine.settled();
    expect(told("braked").length).toBe(1);
    expect(kernel.print()).toBe(print(full));
  });

  test("a doubt that nothing followed is over after a minute", async () => {
    const { engine, clock, kernel, wish, told } = await holding(full);
    engine.doubt("revision went back");
    clock.advance(61_000);
    wish(...step(full, {}));
    await engine.settled();
    expect(kernel.print()).toBe("");
    expect(told("braked")).toEqual([]);
  });

  test("what is held stays held, however long it takes and whatever else is wished", async () => {
    const { engine, clock, kernel, wish } = await holding(full);
    engine.doubt("relist");
    wish(...step(full, {}));
    await engine.settled();
    const held = engine.plan().length;
    clock.advance(61_000);
    engine.doubt("relist again");
    clock.advance(61_000);
    wish(["extra green", wishes({ green: full.red as never })[0]?.[1] ?? []]);
    await engine.settled();
    expect(engine.plan().length).toBe(held - 1); // ip_forward is wished again
    expect(kernel.print()).toContain(print(full).split("\n")[0]);
  });

  test("fewer rows than the floor are never held", async () => {
    const { engine, kernel, wish, told } = await holding(small, { brakeFloor: 100 });
    engine.doubt("relist");
    wish(...step(small, {}));
    await engine.settled();
    expect(kernel.print()).toBe("");
    expect(told("braked")).toEqual([]);
  });

  test("rows that somebody else removes meanwhile are held no more", async () => {
    const { engine, kernel, wish } = await holding(small);
    engine.doubt("relist");
    wish(...step(small, {}));
    await engine.settled();
    const held = engine.plan().length;
    kernel.remove({ kind: "route", scope: "net:blue", key: "10.42.2.0/24" });
    await engine.settled();
    expect(engine.plan().length).toBe(held - 1);
    expect(engine.release()).toBe(held - 1);
  });
});
