import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Self } from "../../src/desired/inputs.ts";
import { cidr } from "../../src/model/address.ts";
import { emptyWorld } from "../../src/model/world.ts";
import { deriveAll, difference, Incremental, type Op, print, self, worldOf } from "./fold.ts";
import { changes, finals, puts, reporter, spell } from "./universe.ts";

/** Places for uplinks: too few for three networks, so few that digests of names meet, and plenty. */
const selves: fc.Arbitrary<Self> = fc
  .constantFrom("169.254.64.0/30", "169.254.64.0/29", "169.254.64.0/18")
  .map((uplinks) => ({ ...self, uplinks: cidr(uplinks) }));

const options = { numRuns: Number(process.env.FC_RUNS ?? 800), reporter };

function expectSame(when: string, ops: readonly Op[], expected: string, got: string): void {
  if (expected === got) return;
  throw new Error(`${when}\n${ops.map(spell).join("\n")}\nexpected - got +\n${difference(expected, got)}`);
}

describe("incremental derivation", { timeout: 60_000 }, () => {
  it("gives after each change what deriving everything from nothing gives", () => {
    const property = fc.property(selves, changes, (self, ops) => {
      const agent = new Incremental(self);
      for (const [i, op] of ops.entries()) {
        agent.take(op);
        expectSame("after", ops.slice(0, i + 1), print(deriveAll(agent)), print(agent.result));
      }
    });
    fc.assert(property, options);
  });

  it("gives the same for any order, repetition and grouping of the changes that lead to a state", () => {
    const property = fc.property(selves, puts, fc.infiniteStream(fc.nat()), (self, ops, random) => {
      const path = detour(ops, random);
      const agent = new Incremental(self);
      for (let i = 0; i < path.length; ) {
        const size = 1 + (random.next().value % 5);
        agent.take(...path.slice(i, i + size));
        i += size;
      }
      const direct = print(deriveAll({ world: worldOf(finals(ops)), self }));
      expectSame("by", path, direct, print(agent.result));
    });
    fc.assert(property, options);
  });

  it("leaves no row and no index entry behind when every record is gone", () => {
    const property = fc.property(selves, changes, fc.infiniteStream(fc.nat()), (self, ops, random) => {
      const agent = new Incremental(self);
      agent.take(...ops);
      const ends = shuffle(finals(ops), random).map(({ key, created }) => ({ key, created }));
      for (const end of ends) agent.take(end);
      expectSame("after", [...ops, ...ends], "", print(agent.result));
      expect(agent.world).toEqual(emptyWorld());
    });
    fc.assert(property, options);
  });
});

/** Another way to where these puts lead: shuffled, with old values, deletions and repetitions before the last word. */
function detour(ops: readonly Op[], random: IterableIterator<number>): Op[] {
  const last = finals(ops);
  const noise = ops.flatMap((op) =>
    random.next().value % 3 === 0 ? [op, { key: op.key, created: op.created }] : [op],
  );
  return [...shuffle(noise, random), ...shuffle([...last, ...last], random)];
}

function shuffle<T>(items: readonly T[], random: IterableIterator<number>): T[] {
  const tagged = items.map((item) => [random.next().value % 1000, item] as [number, T]);
  return tagged.sort(([a], [b]) => a - b).map(([, item]) => item);
}
