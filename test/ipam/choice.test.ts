import fc from "fast-check";
import { expect, test } from "vitest";
import { choosePlace } from "../../src/ipam/choice.ts";
import { contains, overlaps } from "../../src/model/address.ts";
import { blockName } from "../../src/model/block.ts";
import { gatewayOf, type Network, networkSchema } from "../../src/model/network.ts";
import { type Op, worldOf } from "../desired/fold.ts";

function network(cidr: string, more: object = {}): Network {
  return networkSchema.parse({ cidr, backend: { type: "vxlan", vni: 7 }, ...more });
}

function block(name: string, host: string): Op {
  return { key: `keyspaces/blue/blocks/${name}`, value: { host }, created: 1n };
}

function container(ip: string): Op {
  return { key: `keyspaces/blue/containers/h9/c${ip}`, value: { name: "c", ip }, created: 1n };
}

const keyspaceOf = (...ops: Op[]) => worldOf(ops).keyspaces.get("blue");

test("the first host of a network takes a /26 where its name's digest points", () => {
  expect(choosePlace(network("10.42.0.0/16"), undefined, "h1", 5)).toEqual({
    block: "10.42.1.64/26",
    held: false,
    address: "10.42.1.64",
  });
});

test("in the first block the network's and the gateway's addresses are passed over", () => {
  expect(choosePlace(network("10.42.0.0/16"), undefined, "h1", 0)?.address).toBe("10.42.0.2");
});

test("a host that holds a block keeps it, and finds another address where its first is taken", () => {
  const keyspace = keyspaceOf(block("10.42.1.64-26", "h1"), container("10.42.1.64"));
  expect(choosePlace(network("10.42.0.0/16"), keyspace, "h1", 0)).toEqual({
    block: "10.42.1.64/26",
    held: true,
    address: "10.42.1.65",
  });
});

test.each(["10.43.1.64-26", "10.0.0.0-8", "10.42.0.0-16"])(
  "a held block that is no part of the network, %s, is no place",
  (held) => {
    expect(choosePlace(network("10.42.0.0/16"), keyspaceOf(block(held, "h1")), "h1", 5)).toMatchObject({ held: false });
  },
);

test("blocks in which addresses were declared by hand are taken last", () => {
  const keyspace = keyspaceOf(container("10.42.0.9"));
  expect(choosePlace(network("10.42.0.0/16"), keyspace, "h1", 0)?.block).toBe("10.42.0.64/26");
  const small = network("10.42.0.0/24", { blockLength: 28 });
  const crowded = keyspaceOf(...Array.from({ length: 16 }, (_, i) => container(`10.42.0.${i * 16 + 5}`)));
  expect(choosePlace(small, crowded, "h1", 3)?.block).toBe("10.42.0.48/28");
});

test("a full network has no place", () => {
  const taken = Array.from({ length: 16 }, (_, i) => block(`10.42.0.${i * 16}-28`, "h2"));
  expect(choosePlace(network("10.42.0.0/24"), keyspaceOf(...taken), "h1", 3)).toBeUndefined();
});

test("hosts that come one after the other never share a block or an address", () => {
  const seeds = fc.array(fc.nat(), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.constantFrom("10.42.0.0/24", "10.42.0.0/22", "10.42.0.0/28"), seeds, (cidr, seeds) => {
      const ops: Op[] = [block("10.42.0.16-29", "h99")]; // of another length than the network's own
      const places = seeds.flatMap((seed, n) => {
        const host = `h${n}`;
        const place = choosePlace(network(cidr), keyspaceOf(...ops), host, seed);
        if (place) ops.push(block(blockName(place.block), host));
        return place ? [place] : [];
      });
      for (const [n, place] of places.entries()) {
        expect(contains(place.block, place.address)).toBe(true);
        expect(place.address).not.toBe(gatewayOf(network(cidr)));
        for (const other of places.slice(n + 1)) expect(overlaps(place.block, other.block)).toBe(false);
      }
    }),
  );
});
