import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, createPool, type KnownClaim } from "../../src/ipam/pool.ts";
import { cidr, contains, fromNumber, type Ip, ip, toNumber } from "../../src/model/address.ts";
import { type Claim, heldBy, resting } from "../../src/model/claim.ts";
import { isAssignable, networkSchema } from "../../src/model/network.ts";
import type { Revision } from "../../src/model/revision.ts";

const network = networkSchema.parse({
  cidr: "10.42.0.0/24",
  backend: { type: "vxlan", vni: 7 },
  reserved: ["10.42.0.4/30"],
  restSeconds: 30,
});
const block = cidr("10.42.0.0/28");
const owner = { host: "h1", container: "web" };
const held = (address: string, revision = "7"): KnownClaim => ({
  ip: ip(address),
  revision: revision as Revision,
  claim: heldBy(owner),
});
const rested = (address: string, releasedAt: number): KnownClaim => ({
  ip: ip(address),
  revision: "9" as Revision,
  claim: resting(heldBy(owner), releasedAt),
});
const poolOf = (claims: KnownClaim[], inUse: (ip: Ip) => boolean = () => false) =>
  createPool({ network, prefixes: [block], claims, inUse });

function drain(pool: ReturnType<typeof poolOf>, now: number): string[] {
  const got: string[] = [];
  for (let next = pool.take(now); next; next = pool.take(now)) got.push(next.ip);
  return got;
}

describe("a pool", () => {
  test("gives every address of its block but those that are nobody's to have", () => {
    const got = drain(
      poolOf([held("10.42.0.9")], (address) => address === "10.42.0.10"),
      0,
    );
    // .0 network, .1 gateway, .4 to .7 reserved, .9 claimed, .10 named by a record.
    expect(got).toEqual([2, 3, 8, 11, 12, 13, 14, 15].map((n) => `10.42.0.${n}`));
  });

  test("gives what rested long enough after all others, the longest rested first", () => {
    const pool = poolOf([rested("10.42.0.2", 20_000), rested("10.42.0.3", 10_000)]);
    expect(drain(pool, 39_999).at(-1)).toBe("10.42.0.15");
    expect(pool.take(40_000)).toMatchObject({ ip: "10.42.0.3" });
    expect(pool.take(49_999)).toBeUndefined();
    expect(pool.take(50_000)).toMatchObject({ ip: "10.42.0.2", at: "9", before: { sequence: 2 } });
  });

  test("never gives what stands there and is no claim", () => {
    expect(drain(poolOf([{ ip: ip("10.42.0.2"), revision: "3" as Revision }]), 1e9)).not.toContain("10.42.0.2");
  });

  test("begins where its seed says, and comes round", () => {
    const pool = createPool({ network, prefixes: [block], claims: [], inUse: () => false, seed: 14 });
    expect(drain(pool, 0).slice(0, 3)).toEqual(["10.42.0.14", "10.42.0.15", "10.42.0.2"]);
  });
});

/**
 * etcd, as one address sees it, and a pool that is told of it late or never: whatever it gives must be swapped against
 * what stands there, and a swap that succeeds must never meet an owner.
 */
test("whatever others do meanwhile, a swap that succeeds gives nobody's address", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("take" as const), outcome: fc.constantFrom("swap", "giveBack", "forget") }),
    fc.record({ do: fc.constant("steal" as const), n: fc.integer({ min: 0, max: 15 }), tell: fc.boolean() }),
    fc.record({ do: fc.constant("release" as const), n: fc.integer({ min: 0, max: 15 }), tell: fc.boolean() }),
    fc.record({ do: fc.constant("later" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const store = new Map<Ip, { claim: Claim; revision: Revision }>();
      const pool = poolOf([]);
      let now = 1_000_000;
      let clock = 1;
      const write = (address: Ip, claim: Claim) => {
        store.set(address, { claim, revision: String(++clock) as Revision });
      };
      const noted = (address: Ip): KnownClaim | undefined => {
        const found = store.get(address);
        return found && { ip: address, ...found };
      };
      for (const step of steps) {
        const address = "n" in step ? fromNumber(toNumber(ip("10.42.0.0")) + step.n) : undefined;
        if (step.do === "later") now += 10_000;
        else if (step.do === "take") {
          const candidate = pool.take(now);
          if (candidate) settle(candidate, step.outcome);
        } else if (address && isAssignable(network, address)) {
          const before = store.get(address)?.claim;
          if (step.do === "steal" && before?.state !== "held") write(address, heldBy({ host: "h2" }, before));
          if (step.do === "release" && before?.state === "held") write(address, resting(before, now));
          if (step.tell) pool.note(address, noted(address));
        }
      }

      function settle(candidate: Candidate, outcome: string): void {
        expect(contains(block, candidate.ip) && isAssignable(network, candidate.ip)).toBe(true);
        const standing = store.get(candidate.ip);
        if (outcome === "giveBack") pool.giveBack(candidate);
        if (outcome !== "swap") return;
        if ((standing?.revision ?? "absent") === candidate.at) {
          expect(standing?.claim.state).not.toBe("held");
          if (standing?.claim.state === "resting") {
            expect(now - standing.claim.releasedAt).toBeGreaterThanOrEqual(30_000);
            expect(candidate.before).toEqual(standing.claim);
          }
          write(candidate.ip, heldBy(owner, candidate.before));
        }
        pool.note(candidate.ip, noted(candidate.ip));
      }
    }),
    { numRuns: 500 },
  );
});
