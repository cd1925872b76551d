import { beforeAll, describe, expect, it } from "vitest";
import { affected, type UnitId } from "../../src/desired/units.ts";
import { fromNumber, type Ip, ip, macOf, toNumber } from "../../src/model/address.ts";
import { emptyWorld, type World } from "../../src/model/world.ts";
import { type Op, self, take } from "./fold.ts";

/** A large installation: every host has a /25, filled from its own block. */
const hosts = 1_000;
const containersEach = 100;

function addressOf(host: number, n: number): Ip {
  return fromNumber(toNumber(ip("10.1.0.0")) + host * 128 + n);
}

function* records(): Generator<[key: string, value: unknown]> {
  yield ["networks/blue", { cidr: "10.0.0.0/8", backend: { type: "vxlan", vni: 1 } }];
  yield ["networks/red", { cidr: "10.0.0.0/8", backend: { type: "vxlan", vni: 2 } }];
  yield ["keyspaces/red/members/h1", { address: "10.1.0.1", mac: macOf(ip("10.1.0.1"), "0e") }];
  for (let h = 1; h <= hosts; h++) {
    const address = addressOf(h, 1);
    yield [`hosts/h${h}`, { address: fromNumber(toNumber(ip("192.168.0.0")) + h) }];
    yield [`keyspaces/blue/members/h${h}`, { address, mac: macOf(address, "0e") }];
    yield [`keyspaces/blue/blocks/${addressOf(h, 0)}-25`, { host: `h${h}` }];
    for (let n = 0; n < containersEach; n++)
      yield [
        `keyspaces/blue/containers/h${h}/c${n}`,
        { name: `c${n}`, ip: addressOf(h, n + 2), netns: `/run/netns/c${n}` },
      ];
  }
}

describe(`with ${hosts} hosts and ${hosts * containersEach} containers, a change derives again`, () => {
  let world: World;

  beforeAll(() => {
    world = emptyWorld();
    for (const [key, value] of records()) take(world, { key, value, created: 1n });
  });

  /** The units of a change, which is taken back. */
  function unitsOf(key: string, value?: unknown): Set<UnitId> {
    const change = take(world, { key, value, created: 2n } as Op);
    const units = affected(change, world, self);
    const before = change.before?.entry;
    take(world, { key, value: before?.value, created: before?.created ?? 2n });
    return units;
  }

  const outside = addressOf(0, 7);
  it.each<[title: string, units: number, key: string, value?: unknown]>([
    ["a container comes, outside its host's blocks", 1, "keyspaces/blue/containers/h500/x", { name: "x", ip: outside }],
    [
      "a container comes, in its host's block",
      1,
      "keyspaces/blue/containers/h500/x",
      { name: "x", ip: addressOf(500, 120) },
    ],
    [
      "a container of this host comes",
      1,
      "keyspaces/blue/containers/h1/x",
      { name: "x", ip: addressOf(1, 120), netns: "/run/netns/x" },
    ],
    ["a container goes", 1, "keyspaces/blue/containers/h500/c7"],
    ["a container takes another address", 1, "keyspaces/blue/containers/h500/c7", { name: "c7", ip: outside }],
    ["a container claims another's address", 2, "keyspaces/blue/containers/h500/x", { name: "x", ip: addressOf(7, 7) }],
    [
      "a container claims a sibling's namespace",
      2,
      "keyspaces/blue/containers/h1/x",
      { name: "x", ip: addressOf(1, 120), netns: "/run/netns/c7" },
    ],
    ["a host moves on the underlay", 1, "hosts/h500", { address: "192.168.9.9" }],
    [
      "a host joins",
      1,
      "keyspaces/blue/members/h1001",
      { address: addressOf(0, 8), mac: macOf(addressOf(0, 8), "0e") },
    ],
    ["a host takes an empty block", 1, `keyspaces/blue/blocks/${addressOf(0, 0)}-25`, { host: "h500" }],
    [
      "a host leaves its block: its containers need routes of their own",
      1 + containersEach,
      `keyspaces/blue/blocks/${addressOf(500, 0)}-25`,
    ],
    ["a network comes", 1, "networks/green", { cidr: "10.0.0.0/8", backend: { type: "vxlan", vni: 3 } }],
    [
      "another network changes",
      2,
      "networks/red",
      { cidr: "10.0.0.0/8", backend: { type: "vxlan", vni: 2 }, internal: true },
    ],
    ["this host leaves another network: an uplink may move", 2, "keyspaces/red/members/h1"],
  ])("%s: %i", (_, units, key, value) => {
    expect(unitsOf(key, value).size).toBe(units);
  });

  it("a network changes: all of its own, once", () => {
    const units = unitsOf("networks/blue", { cidr: "10.0.0.0/8", backend: { type: "vxlan", vni: 1 }, mtu: 1400 });
    expect(units.size).toBe(1 + hosts + hosts * containersEach);
  });
});
