import { expect, onTestFinished, test, vi } from "vitest";
import { createRotation } from "../../src/runtime/rotation.ts";
import { fakeOwnKeys, newKey, oldKey } from "./fake-own-keys.ts";

const short = { [oldKey]: "old", [newKey]: "new" } as Record<string, string>;
const names = (keys: readonly string[]) => keys.map((key) => short[key]).join(" ");

/** A host whose every step is written down; `looks` says who is waited for at each look, and nobody is after the last. */
function rotating({ begun = false, looks = [] as readonly string[][], failing = -1 } = {}) {
  const steps: string[] = [];
  const told: string[] = [];
  const hooks = { tell() {}, look: async (_signal: AbortSignal) => {} };
  let rest = [...looks];
  const did = (step: string) => {
    steps.push(step);
    if (steps.length - 1 === failing) throw new Error(`no ${step}`);
  };
  const keys = fakeOwnKeys(did, begun);
  const rotation = createRotation({
    keys,
    load: async () => did(`load ${names(keys.loaded())}`),
    publish: async () => did(`publish ${names(keys.next === undefined ? [keys.own] : [keys.own, keys.next])}`),
    async waitingFor(signal) {
      const [waiting = [], ...later] = rest;
      rest = later;
      did(["look", ...waiting].join(" "));
      await hooks.look(signal);
      return waiting;
    },
    adopt: async () => did(`adopt ${names([keys.own])}`),
    tell(message) {
      told.push(message);
      hooks.tell();
    },
  });
  onTestFinished(() => rotation.stop());
  return { rotation, keys, steps, told, hooks };
}

const beside = ["load old new", "publish old new"];
const order = [...beside, "look", "promote", "adopt new", "publish new", "forget", "load new"];
const done = { from: oldKey, to: newKey, state: "done", waitingFor: [] };

test("the new key is published beside the old one, used once nobody is waited for, and the old one dropped last", async () => {
  const { rotation, steps, told } = rotating();
  expect(await rotation.rotate()).toEqual(done);
  expect(steps).toEqual(["prepare", ...order]);
  expect(told).toEqual([]);
});

test("nothing is promoted while any peer is waited for", async () => {
  const { rotation, steps } = rotating({ looks: [["h2", "h3"], ["h3"]] });
  expect(await rotation.rotate()).toEqual(done);
  expect(steps).toEqual(["prepare", ...beside, "look h2 h3", ...beside, "look h3", ...order]);
});

test("who was waited for at the last look is named during the next one; who is stopped in it promotes nothing", async () => {
  const { rotation, keys, steps, hooks } = rotating({ looks: [["h2"]] });
  const asked = rotation.rotate();
  await vi.waitFor(() => expect(steps).toContain("look h2"));
  const { promise: looking, resolve: look } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  hooks.look = () => {
    look();
    return answered;
  };
  await looking;
  // Ends the wait of who asked, too.
  rotation.stop();
  expect(await asked).toEqual({ from: oldKey, to: newKey, state: "announced", waitingFor: ["h2"] });
  answer();
  await new Promise(setImmediate);
  expect(steps.at(-1)).toBe("look");
  expect(keys.own).toBe(oldKey);
});

test("what was begun before a restart is gone on with, by the same key", async () => {
  const { rotation, steps } = rotating({ begun: true });
  rotation.resume();
  await vi.waitFor(() => expect(steps).toEqual(order));
});

test("where nothing was begun there is nothing to go on with", async () => {
  const { rotation, steps } = rotating();
  rotation.resume();
  await new Promise(setImmediate);
  expect(steps).toEqual([]);
});

test("a key that cannot be made is the asker's to hear of, and begins nothing", async () => {
  const { rotation, steps } = rotating({ failing: 0 });
  await expect(rotation.rotate()).rejects.toThrow("no prepare");
  expect(steps).toEqual(["prepare"]);
});

test.each(order.map((step, at) => [step, at] as const))(
  "where %j fails it is said and tried again, and no third key is made",
  async (step, at) => {
    const { rotation, keys, steps, told, hooks } = rotating({ failing: at + 1 });
    let again: unknown;
    hooks.tell = () => {
      again = rotation.rotate();
    };
    expect(await rotation.rotate()).toEqual(done);
    expect(await again).toEqual(done);
    expect(told).toEqual([`Cannot go on with the rotation of keys yet: no ${step}`]);
    // Before the promotion peers are looked at anew; after it there is no way back, nor a second promotion.
    const from = at <= order.indexOf("promote") ? 0 : order.indexOf("adopt new");
    expect(steps).toEqual(["prepare", ...order.slice(0, at + 1), ...order.slice(from)]);
    expect(keys.loaded()).toEqual([newKey]);
  },
);
