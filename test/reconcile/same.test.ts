import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { same } from "../../src/reconcile/same.ts";

const json = fc.jsonValue({ maxDepth: 2 });

test("is deep equality for JSON", () => {
  fc.assert(fc.property(json, json, (a, b) => same(a, b) === isDeepStrictEqual(a, b)));
  fc.assert(fc.property(json, (a) => same(a, structuredClone(a))));
});

test.each([
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1 }, { a: 1, b: null }, false],
  [{ a: 1, b: 2 }, { a: 1 }, false],
  [[], {}, false],
  [{ rules: ["a", "b"] }, { rules: ["b", "a"] }, false],
  [undefined, {}, false],
])("%j and %j: %s", (a, b, expected) => {
  expect(same(a, b)).toBe(expected);
  expect(same(b, a)).toBe(expected);
});
