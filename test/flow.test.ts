import { expect, test, vi } from "vitest";
import { createDeclared } from "../src/desired/declared.ts";
import { createFlow } from "../src/flow.ts";
import type { Revision } from "../src/model/revision.ts";
import type { Engine } from "../src/reconcile/engine.ts";
import type { StoreEvent } from "../src/store/event.ts";
import type { WorldWatch } from "../src/store/world-watch.ts";
import { self } from "./desired/fold.ts";

const revision = "1" as Revision;

function put(key: string, value: object, created: number): StoreEvent {
  const at = String(created) as Revision;
  return { type: "put", key, value: Buffer.from(JSON.stringify(value)), revision: at, created: at, via: "watch" };
}

function vxlan(cidr: string): object {
  return { cidr, backend: { type: "vxlan", vni: 7 } };
}

/** A flow whose world is complete and empty, with what it says has changed. */
function openFlow() {
  const declared = createDeclared(self);
  const engine = { wish: vi.fn(), doubt: vi.fn(), partial: vi.fn() } as unknown as Engine;
  const watch = { areas: new Map(), follow: vi.fn(), unfollow: vi.fn() } as unknown as WorldWatch;
  const changed: string[][] = [];
  const folded = vi.fn();
  const flow = createFlow({
    declared,
    engine,
    watch,
    tell: () => {},
    folded,
    changed: (nets) => changed.push([...nets].sort()),
    complete: () => {},
  });
  flow.take({ area: "networks/", events: [{ type: "synced", revision, total: 0, vanished: 0 }] });
  return { flow, declared, changed, engine, folded };
}

test("what the world has taken in is told before anything is wished for it: a container leaves DNS before its rows go", () => {
  const { flow, engine, folded } = openFlow();
  const wish = vi.mocked(engine.wish);
  flow.take({ area: "networks/", events: [put("networks/blue", vxlan("10.42.0.0/16"), 1)] });
  const container = put("keyspaces/blue/containers/h1/web", { name: "web", ip: "10.42.0.9" }, 2);
  for (const event of [container, { ...container, type: "delete" } as StoreEvent]) {
    folded.mockClear();
    wish.mockClear();
    flow.take({ area: "keyspaces/blue/", events: [event] });
    expect(folded.mock.calls[0]?.[0]).toMatchObject([
      { [event.type === "put" ? "after" : "before"]: { entry: { id: "web" } } },
    ]);
    const [told, wished] = [folded, wish].map((each) => each.mock.invocationCallOrder[0] ?? Number.NaN);
    expect(told).toBeLessThan(wished as number);
  }
});

test("a network whose rival goes has changed with it, though no record of its own did", () => {
  const { flow, changed } = openFlow();
  flow.take({ area: "networks/", events: [put("networks/older", vxlan("10.42.0.0/16"), 2)] });
  flow.take({ area: "networks/", events: [put("networks/younger", vxlan("10.43.0.0/16"), 3)] });
  changed.length = 0;
  flow.take({ area: "networks/", events: [{ type: "delete", key: "networks/older", revision, via: "watch" }] });
  expect(changed).toEqual([["older", "younger"]]);
});

test("what was no record of a network that is gone is told of no more, as nobody would hear when it goes", () => {
  const { flow, declared } = openFlow();
  flow.take({ area: "networks/", events: [put("networks/blue", vxlan("10.42.0.0/16"), 2)] });
  flow.take({ area: "keyspaces/blue/", events: [put("keyspaces/blue/blocks/junk", {}, 3)] });
  flow.take({ area: "networks/", events: [put("networks/junk", {}, 4)] });
  expect([...declared.rejected.keys()]).toEqual(["keyspaces/blue/blocks/junk", "networks/junk"]);
  flow.take({ area: "networks/", events: [{ type: "delete", key: "networks/blue", revision, via: "watch" }] });
  expect([...declared.rejected.keys()]).toEqual(["networks/junk"]);
});
