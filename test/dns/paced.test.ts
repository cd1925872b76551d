import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ZoneNews } from "../../src/dns/facts.ts";
import { createPaced } from "../../src/dns/paced.ts";

const names = (address: number): ZoneNews => ({ type: "names", net: "blue", owners: [[address, { name: "c" }]] });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const turn = () => vi.advanceTimersByTime(1);

function recorded() {
  const posts: (readonly ZoneNews[])[] = [];
  return { posts, paced: createPaced((news) => void posts.push(news)) };
}

test("what is new is told one piece a millisecond, the first at once", () => {
  const { posts, paced } = recorded();
  paced.inTurn([names(1), names(2), names(3)]);
  expect(posts).toEqual([[names(1)]]);
  paced.inTurn([names(4)]);
  expect(posts).toHaveLength(1);
  for (let n = 0; n < 3; n++) turn();
  expect(posts).toEqual([1, 2, 3, 4].map((n) => [names(n)]));
  paced.inTurn([names(5)]);
  expect(posts).toHaveLength(5);
});

test("what is taken away is told at once, after all that was before it", () => {
  const { posts, paced } = recorded();
  paced.inTurn([names(1), names(2), names(3)]);
  const gone: ZoneNews = { type: "names", net: "blue", owners: [[3, null]] };
  paced.now([gone]);
  expect(posts).toEqual([[names(1)], [names(2), names(3), gone]]);
  for (let n = 0; n < 2; n++) turn();
  expect(posts).toHaveLength(2);
});

test("after the end nothing is told", () => {
  const { posts, paced } = recorded();
  paced.inTurn([names(1), names(2)]);
  paced.stop();
  for (let n = 0; n < 2; n++) turn();
  expect(posts).toHaveLength(1);
});
