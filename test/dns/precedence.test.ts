import { expect, test } from "vitest";
import { createPrecedence } from "../../src/dns/precedence.ts";

/** A thread that uses what it is told to, and keeps what was asked of the kernel. */
function threadOf(isAllowed = true) {
  const thread = { at: 0, used: 0, asked: [] as boolean[] };
  const precedence = createPrecedence({
    set(first) {
      thread.asked.push(first);
      return isAllowed;
    },
    now: () => thread.at,
    used: () => thread.used,
  });
  const pass = (ms: number, use: number) => {
    thread.at += ms;
    thread.used += ms * use;
    precedence.review();
  };
  return { pass, asked: thread.asked };
}

test("a thread that answers now and then goes first", () => {
  const { pass, asked } = threadOf();
  for (let n = 0; n < 50; n++) pass(37, 0.3);
  expect(asked).toEqual([true]);
});

test("one that is asked without end takes its turn with the others, until it is asked less", () => {
  const { pass, asked } = threadOf();
  pass(200, 0.9);
  expect(asked).toEqual([true, false]);
  for (let n = 0; n < 20; n++) pass(200, 0.9);
  expect(asked).toEqual([true, false]);
  pass(200, 0.2);
  expect(asked).toEqual([true, false, true]);
});

test("it looks at what it used five times a second at most", () => {
  const { pass, asked } = threadOf();
  for (let n = 0; n < 199; n++) pass(1, 0.9);
  expect(asked).toEqual([true]);
});

test("where nobody may go first, it does not ask again", () => {
  const { pass, asked } = threadOf(false);
  for (let n = 0; n < 10; n++) pass(200, n % 2);
  expect(asked).toEqual([true]);
});
