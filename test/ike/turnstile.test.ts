import { expect, test } from "vitest";
import { Turnstile } from "../../src/ike/turnstile.ts";

/** An errand that says when it begins, and ends when told. */
function errands() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const errand = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.set(name, resolve));
  };
  const end = async (name: string) => {
    ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, errand, end };
}

test("one at a time, those that have failed least first, and of equals the first", async () => {
  const { begun, errand, end } = errands();
  const turnstile = new Turnstile();
  for (const [name, rank] of Object.entries({ first: 5, dead: 5, dying: 2, young: 0, younger: 0 }))
    turnstile.pass(rank, errand(name));
  for (const name of ["first", "young", "younger", "dying", "dead"]) {
    expect(begun.at(-1)).toBe(name);
    await end(name);
  }
  expect(begun).toHaveLength(5);
});

test("what waits can be forgotten, and others pass after it", async () => {
  const { begun, errand, end } = errands();
  const turnstile = new Turnstile();
  turnstile.pass(0, errand("one"));
  turnstile.pass(0, errand("two"));
  turnstile.clear();
  await end("one");
  turnstile.pass(0, errand("three"));
  expect(begun).toEqual(["one", "three"]);
});
