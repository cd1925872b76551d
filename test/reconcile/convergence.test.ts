import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import { type Observed, type Operation, rowId } from "../../src/reconcile/kind.ts";
import { onApply, refused, rig, scopes } from "./rig.ts";
import { anyScene, print, type Scene, step, type Wish, wishes } from "./scene.ts";

const scenes = fc.array(anyScene, { minLength: 1, maxLength: 4 });
const runs = { numRuns: 150 };

/** A kernel with a scene in it, made by an engine that has since stopped. */
async function kernelWith(scene: Scene) {
  const { engine, kernel, wishAll, converge } = rig();
  wishAll(scene);
  await engine.start(scopes);
  await converge();
  await engine.stop();
  expect(kernel.print()).toBe(print(scene));
  return kernel;
}

describe("any state to any state", () => {
  test("through every scene in turn", async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (all) => {
        const { engine, kernel, wish, converge } = rig();
        await engine.start(scopes);
        let before: Scene = {};
        for (const scene of all) {
          wish(...step(before, scene));
          await converge();
          expect(kernel.print()).toBe(print(scene));
          expect(engine.plan()).toEqual([]);
          before = scene;
        }
      }),
      runs,
    );
  });

  test("after a restart, whatever the kernel held", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, async (before, after) => {
        const kernel = await kernelWith(before);
        const { engine, wishAll, converge } = rig({ kernel });
        wishAll(after);
        await engine.start(scopes);
        engine.release();
        await converge();
        expect(kernel.print()).toBe(print(after));
      }),
      runs,
    );
  });
});

describe("the way does not matter", () => {
  const ways: Record<string, (wishes: Wish[]) => Wish[][]> = {
    squashed: (wishes) => [wishes],
    split: (wishes) => wishes.map((wish) => [wish]),
    reversed: (wishes) => [wishes.toReversed()],
    "reversed and split": (wishes) => wishes.toReversed().map((wish) => [wish]),
    doubled: (wishes) => [...wishes, ...wishes].map((wish) => [wish]),
    "taken back in between": (wishes) => [wishes, wishes.map(([unit]) => [unit, []] as const), wishes],
    "taken back at once": (wishes) => [[...wishes, ...wishes.map(([unit]) => [unit, []] as const), ...wishes]],
  };

  test.each(Object.entries(ways))("%s", async (_name, way) => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, async (before, after) => {
        const { engine, kernel, wish, wishAll, converge } = rig();
        wishAll(before);
        await engine.start(scopes);
        for (const part of way(step(before, after))) {
          wish(...part);
          await engine.settled();
        }
        await converge();
        expect(kernel.print()).toBe(print(after));
      }),
      { numRuns: 60 },
    );
  });

  test("the units may come in any order", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, fc.infiniteStream(fc.nat()), async (scene, numbers) => {
        const { engine, kernel, wish, converge } = rig();
        await engine.start(scopes);
        const order = wishes(scene).map((wish) => [numbers.next().value, wish] as const);
        for (const [, one] of order.sort(([a], [b]) => a - b)) {
          wish(one);
          if (numbers.next().value % 2) await engine.settled();
        }
        await converge();
        expect(kernel.print()).toBe(print(scene));
      }),
      runs,
    );
  });
});

describe("failures", () => {
  test("every write fails the first time", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, async (before, after) => {
        const kernel = await kernelWith(before);
        const failed = new Set<string>();
        const drivers = onApply(kernel.drivers, (_kind, call) => async (scope, operations) => {
          const isFirst = operations.map(({ verb, row }) => !failed.has(`${verb} ${rowId(row)}`));
          for (const { verb, row } of operations) failed.add(`${verb} ${rowId(row)}`);
          const answers = await call(
            scope,
            operations.filter((_, index) => !isFirst[index]),
          );
          return isFirst.map((first) => (first ? refused : answers.shift()));
        });
        const { engine, wishAll, converge, events } = rig({ kernel, drivers });
        wishAll(after);
        await engine.start(scopes);
        engine.release();
        await converge();
        expect(kernel.print()).toBe(print(after));
        expect(events.some(({ type }) => type === "failed")).toBe(failed.size > 0);
      }),
      runs,
    );
  });

  test("one write fails; all that does not hang on it goes through at once", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, fc.constantFrom(...kinds), async (before, after, kind) => {
        const { engine, kernel, wish, wishAll, converge } = rig();
        wishAll(before);
        await engine.start(scopes);
        kernel.failNext(kind, refused);
        wish(...step(before, after));
        await converge();
        expect(kernel.print()).toBe(print(after));
      }),
      runs,
    );
  });

  test("a new engine goes on where one was killed in the middle of a round", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, anyScene, fc.nat(30), async (before, after, last) => {
        const kernel = await kernelWith(before);
        let calls = 0;
        const killed = Promise.withResolvers<void>();
        const drivers = onApply(kernel.drivers, (_kind, call) => async (scope, operations) => {
          if (calls++ < last) return call(scope, operations);
          // Half of the batch is in the kernel when the process dies.
          await call(scope, operations.slice(0, operations.length / 2));
          killed.resolve();
          return new Promise(() => {});
        });
        const first = rig({ kernel, drivers });
        first.wishAll(after);
        void first.engine.start(scopes);
        first.engine.release();
        await Promise.race([first.engine.settled(), killed.promise]);
        await first.engine.stop();

        const second = rig({ kernel });
        second.wishAll(after);
        await second.engine.start(scopes);
        second.engine.release();
        await second.converge();
        expect(kernel.print()).toBe(print(after));
      }),
      runs,
    );
  });
});

describe("drift", () => {
  test("whatever somebody deletes, at whatever moment, comes back", async () => {
    await fc.assert(
      fc.asyncProperty(scenes, fc.infiniteStream(fc.nat()), async (all, numbers) => {
        const number = () => numbers.next().value;
        const kernel = fakeKernel();
        const rows = all.flatMap((scene) => wishes(scene).flatMap(([, rows]) => rows)) as Observed[];
        const harm = () => {
          const row = rows[number() % (rows.length + 1)];
          if (row && number() % 3 === 0) kernel.remove(row);
        };
        const drivers = onApply(kernel.drivers, (_kind, call) => async (scope, operations) => {
          harm();
          const answers = await call(scope, operations);
          harm();
          return answers;
        });
        const { engine, wish, converge } = rig({ kernel, drivers });
        await engine.start(scopes);
        let before: Scene = {};
        for (const scene of all) {
          wish(...step(before, scene));
          await engine.settled();
          harm();
          before = scene;
        }
        rows.length = 0;
        await converge();
        expect(kernel.print()).toBe(print(before));
      }),
      runs,
    );
  });

  test("what somebody adds in our name goes", async () => {
    const { engine, kernel, wishAll, told } = rig();
    wishAll({ blue: { mtu: 1450, peers: {}, containers: {} } });
    await engine.start(scopes);
    const [row] = wishes({ blue: { mtu: 1450, peers: { h2: 0 }, containers: {} } }).flatMap(([unit, rows]) =>
      unit.startsWith("peer") ? rows : [],
    );
    kernel.put(row as Observed);
    await engine.settled();
    expect(told("removed").map(({ row, cause }) => [row.key, cause.key])).toEqual([[row?.key, "drift"]]);
  });
});

describe("adoption", () => {
  test("a start writes nothing when all is right", async () => {
    await fc.assert(
      fc.asyncProperty(anyScene, async (scene) => {
        const kernel = await kernelWith(scene);
        const writes = kernel.writes;
        const calls: Operation[] = [];
        const drivers = onApply(kernel.drivers, (_kind, call) => (scope, operations) => {
          calls.push(...operations);
          return call(scope, operations);
        });
        const { engine, told, wishAll, converge } = rig({ kernel, drivers });
        wishAll(scene);
        await engine.start(scopes);
        await converge();
        expect(calls).toEqual([]);
        expect(kernel.writes).toBe(writes);
        expect(told("drifted")).toEqual([]);
        expect(told("converged")).toMatchObject([{ writes: 0, waiting: 0 }]);
      }),
      runs,
    );
  });
});
