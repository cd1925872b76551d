import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidr, contains, fromNumber, ip, prefixLength, prefixOf, toNumber } from "../../src/model/address.ts";
import { blockName, blockPrefix } from "../../src/model/block.ts";
import { blockOf, oldest } from "../../src/model/claims.ts";
import { keyOf } from "../../src/model/keys.ts";
import { emptyWorld, put } from "../../src/model/world.ts";

const network = cidr("10.42.0.0/24");
const address = fc.integer({ min: 0, max: 255 }).map((n) => fromNumber(toNumber(ip("10.42.0.0")) + n));
const prefix = fc.tuple(address, fc.integer({ min: 20, max: 32 })).map(([ip, length]) => prefixOf(ip, length));

describe("the block of an address", () => {
  it("is the longest that holds it, of those narrower than the network", () => {
    const property = fc.property(fc.array(prefix, { minLength: 1, maxLength: 12 }), address, (prefixes, ip) => {
      const world = emptyWorld();
      for (const prefix of prefixes) {
        const path = { type: "block", net: "blue", block: blockName(prefix) } as const;
        put(world, { key: keyOf(path), path, value: { host: prefix } }, 1n);
      }
      const holding = prefixes.filter((prefix) => prefixLength(prefix) > 24 && contains(prefix, ip));
      const [longest] = holding.sort((a, b) => prefixLength(b) - prefixLength(a));
      const keyspace = world.keyspaces.get("blue");
      expect(keyspace && blockOf(keyspace, ip, network)?.value.host).toBe(longest);
    });
    fc.assert(property);
  });

  it("is written with a dash, since a slash parts segments", () => {
    expect(blockName(cidr("10.42.64.64/26"))).toBe("10.42.64.64-26");
    fc.assert(fc.property(prefix, (prefix) => blockPrefix(blockName(prefix)) === prefix));
    for (const name of ["10.42.64.64", "10.42.64.64-26-1", "10.42.64.65-26", "10.42.64.64-026", "a-26"])
      expect(blockPrefix(name)).toBeUndefined();
  });
});

describe("the oldest of several records", () => {
  it("is that of the lowest revision, then key, in whatever order they are asked", () => {
    const entry = fc.record({
      key: fc.constantFrom("a", "b", "c").map((host) => keyOf({ type: "host", host })),
      created: fc.bigInt(1n, 3n),
      value: fc.constant({}),
    });
    const property = fc.property(fc.uniqueArray(entry, { minLength: 1, selector: ({ key }) => key }), (entries) => {
      const [first] = entries.toSorted((a, b) => Number(a.created - b.created) || (a.key < b.key ? -1 : 1));
      expect(oldest(entries)).toBe(first);
      expect(oldest(entries.toReversed())).toBe(first);
    });
    fc.assert(property);
    expect(oldest([])).toBeUndefined();
  });
});
