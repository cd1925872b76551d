import { afterAll, beforeAll, expect, test } from "vitest";
import { sasOf } from "../../src/ike/sa.ts";
import { listed } from "../../src/ike/vici/commands.ts";
import { bothRows, createPair, fast, type Pair, up } from "./pair.ts";

/** Five pairs at once, since each waits more than it works. */
let pairs: Pair[] = [];
const rounds = 10;

beforeAll(async () => {
  pairs = await Promise.all(Array.from({ length: 5 }, createPair));
});
afterAll(() => Promise.all(pairs.map((pair) => pair.close())));

test("both sides begin at once, 50 times: in the end there is one of each, and both have the same", async () => {
  const settled = await Promise.all(pairs.map(raceOf));
  // They did meet: some rounds had two of them to settle.
  expect(settled.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
}, 300_000);

/** How often two had to be settled. */
async function raceOf(pair: Pair): Promise<number> {
  // Nobody waits for the other.
  await pair.fresh({ timings: { ...fast, graceMs: 0, duplicateMs: 100, quietMs: 500 } });
  const [a, b] = pair.ends;
  const [mine, theirs] = bothRows(pair.ends, "blue");
  const vici = await Promise.all([a.vici(), b.vici()]);
  const look = async () => {
    const lists = await Promise.all(vici.map(async (each) => sasOf(await listed(each, "list-sas"))));
    return lists.map((sas) =>
      sas.map(({ state, children }) => [state, ...children.map((child) => child.state)].join(" ")),
    );
  };
  const spis = async () => {
    const states = await Promise.all([a.states(), b.states()]);
    return states.map(([each]) => (each?.state === "up" ? [each.spiIn, each.spiOut] : []));
  };
  for (let round = 0; round < rounds; round++) {
    const from = [a.events.length, b.events.length];
    await Promise.all([a.add(...mine), b.add(...theirs)]);
    await Promise.all([up(a, "blue", from[0]), up(b, "blue", from[1])]);
    const one = [["ESTABLISHED INSTALLED"], ["ESTABLISHED INSTALLED"]];
    await expect.poll(look, { interval: 20 }).toEqual(one);
    const [near, far] = await spis();
    expect(far?.toReversed()).toEqual(near);
    await Promise.all([
      a.apply(...mine.map((row) => ({ verb: "remove", row }) as const)),
      b.apply(...theirs.map((row) => ({ verb: "remove", row }) as const)),
    ]);
    await expect.poll(look, { interval: 20 }).toEqual([[], []]);
  }
  for (const each of vici) each.close();
  return a.events.filter(({ type }) => type === "tunnel-duplicate").length;
}
