import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseBlock } from "../../src/ipam/choice.ts";
import { type Cidr, cidr, overlaps } from "../../src/model/address.ts";
import { type Network, networkSchema } from "../../src/model/network.ts";
import { type Op, worldOf } from "../desired/fold.ts";

function network(cidr: string, more: object = {}): Network {
  return networkSchema.parse({ cidr, backend: { type: "vxlan", vni: 7 }, ...more });
}

function container(ip: string): Op {
  return { key: `keyspaces/blue/containers/h9/c${ip}`, value: { name: "c", ip }, created: 1n };
}

const keyspaceOf = (...ops: Op[]) => worldOf(ops).keyspaces.get("blue");

test("the first block is a /26 where the host's digest points", () => {
  const choice = chooseBlock({ network: network("10.42.0.0/16"), taken: [], keyspace: undefined, seed: 5 });
  expect(choice).toBe("10.42.1.64/26");
});

test.each(["10.43.1.64/26", "10.0.0.0/8", "10.42.0.0/16"])(
  "a block that is no part of the network, %s, fills nothing of it",
  (odd) => {
    const ground = { network: network("10.42.0.0/16"), keyspace: undefined, seed: 5 };
    expect(chooseBlock({ ...ground, taken: [cidr(odd)] })).toBe("10.42.1.64/26");
  },
);

test("blocks in which addresses were declared by hand are taken last", () => {
  const ground = { network: network("10.42.0.0/16"), taken: [], seed: 0 };
  expect(chooseBlock({ ...ground, keyspace: keyspaceOf(container("10.42.0.9")) })).toBe("10.42.0.64/26");
  const small = network("10.42.0.0/24", { blockLength: 28 });
  const crowded = keyspaceOf(...Array.from({ length: 16 }, (_, i) => container(`10.42.0.${i * 16 + 5}`)));
  expect(chooseBlock({ network: small, taken: [], keyspace: crowded, seed: 3 })).toBe("10.42.0.48/28");
});

test("a block without an address to give is none", () => {
  const tiny = network("10.42.0.0/28"); // blocks are single addresses
  const taken: Cidr[] = [];
  for (let n = 0; n < 16; n++) {
    const block = chooseBlock({ network: tiny, taken, keyspace: keyspaceOf(container("10.42.0.9")), seed: 0 });
    if (block) taken.push(block);
  }
  const never = ["10.42.0.0/32", "10.42.0.1/32", "10.42.0.9/32", "10.42.0.15/32"];
  expect(taken).toHaveLength(12);
  for (const block of never) expect(taken).not.toContain(block);
  const reserved = network("10.42.0.0/24", { reserved: ["10.42.0.0/25", "10.42.0.128/26"] });
  expect(chooseBlock({ network: reserved, taken: [], keyspace: undefined, seed: 0 })).toBe("10.42.0.192/28");
});

test("hosts that choose one after the other never share a block, and fill the network to the last", () => {
  const seeds = fc.array(fc.nat(), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.constantFrom("10.42.0.0/24", "10.42.0.0/22", "10.42.0.0/28"), seeds, (range, seeds) => {
      const taken: Cidr[] = [cidr("10.42.0.16/29")]; // of another length than the network's own
      for (const seed of seeds) {
        const block = chooseBlock({ network: network(range), taken, keyspace: undefined, seed });
        if (block === undefined) {
          expect(taken.length).toBeGreaterThan(12);
          continue;
        }
        for (const other of taken) expect(overlaps(block, other)).toBe(false);
        taken.push(block);
      }
    }),
  );
});
