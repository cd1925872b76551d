import { expect, test } from "vitest";
import type { Revision } from "../../src/model/revision.ts";
import { createConvergence } from "../../src/observe/convergence.ts";

const r = (n: number) => String(n) as Revision;
/** Lets every promise that can go on do so. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

function rig() {
  const observed = new Map([["blue", r(5)]]);
  const settling: (() => void)[] = [];
  const troubled = new Set<string>();
  const changed: string[][] = [];
  const convergence = createConvergence({
    observed: () => observed,
    settled: () => new Promise((resolve) => settling.push(resolve)),
    troubled: (net) => troubled.has(net),
    changed: (nets) => changed.push([...nets]),
  });
  const settle = async () => {
    settling.shift()?.();
    await turn();
  };
  return { observed, settling, troubled, changed, convergence, settle };
}

test("a network has converged to what had been seen before its rows settled, not to what came since", async () => {
  const { observed, convergence, settle } = rig();
  convergence.review();
  observed.set("blue", r(9));
  expect(convergence.of("blue")).toBeUndefined();
  await settle();
  expect(convergence.of("blue")).toBe("5");
});

test("what comes while it looks makes it look once more, however often it came", async () => {
  const { observed, settling, convergence, settle } = rig();
  convergence.review();
  observed.set("blue", r(9));
  for (let i = 0; i < 5; i++) convergence.review();
  await settle();
  expect(settling).toHaveLength(1);
  await settle();
  expect(settling).toHaveLength(0);
  expect(convergence.of("blue")).toBe("9");
});

test("a network in trouble stays where it was, others go on", async () => {
  const { observed, troubled, changed, convergence, settle } = rig();
  observed.set("green", r(5));
  troubled.add("blue");
  convergence.review();
  await settle();
  expect([convergence.of("blue"), convergence.of("green")]).toEqual([undefined, "5"]);
  troubled.delete("blue");
  convergence.review();
  await settle();
  expect(convergence.of("blue")).toBe("5");
  expect(changed).toEqual([["green"], ["blue"]]);
});

test("an etcd restored to older revisions is believed, and a network that is gone forgotten", async () => {
  const { observed, convergence, settle } = rig();
  convergence.review();
  await settle();
  observed.set("blue", r(2));
  convergence.review();
  await settle();
  expect(convergence.of("blue")).toBe("2");
  observed.delete("blue");
  convergence.review();
  await settle();
  expect(convergence.of("blue")).toBeUndefined();
});
