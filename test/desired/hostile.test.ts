import { describe, expect, it } from "vitest";
import type { Skip, SkipCode } from "../../src/desired/inputs.ts";
import { uplinkName } from "../../src/desired/names.ts";
import { type Ip, macOf } from "../../src/model/address.ts";
import { deriveAll, difference, type Op, print, worldOf } from "./fold.ts";
import { put, rocketChat, rocketChatRouted, selfAs } from "./rocket-chat.ts";

const self = selfAs("h1");
const base = [...rocketChat, ...rocketChatRouted];

function vxlan(cidr: string, vni: number, more?: object): unknown {
  return { cidr, backend: { type: "vxlan", vni }, ...more };
}

function hostGateway(cidr: string): unknown {
  return { cidr, backend: { type: "host-gw" } };
}

function member(address: string): unknown {
  return { address, mac: macOf(address as Ip, "0e") };
}

function container(ip?: string, netns?: string): unknown {
  return { name: "x", ...(ip && { ip }), ...(netns && { netns }) };
}

function skipsOf(records: readonly Op[]): Skip[] {
  return [...deriveAll({ world: worldOf(records), self }).values()].flatMap(({ skipped }) => skipped ?? []);
}

/** What records put after all others change, as lines; those that the records themselves lead to included. */
function effectOf(...records: [key: string, value: unknown][]): string {
  const before = deriveAll({ world: worldOf(base), self });
  const after = deriveAll({ world: worldOf([...base, ...put(20n, ...records)]), self });
  return difference(print(before), print(after));
}

const id = "keyspaces/blue/containers/h1/x";
const far = "keyspaces/blue/containers/h2/x";
const place = "keyspaces/blue/members/h3";
const host3: [string, unknown] = ["hosts/h3", { address: "192.168.0.3" }];
const joins: [string, unknown] = ["keyspaces/green/members/h1", member("10.99.0.65")];

describe("a hostile record is skipped with a reason, and all others lead to what they did", () => {
  it.each<[title: string, code: SkipCode, reason: RegExp, culprit: string, ...records: [string, unknown][]]>([
    [
      "a network over the underlay",
      "CIDR_OVERLAP",
      /covers 192.168.0.0\/24, which is the underlay/,
      "networks/green",
      ["networks/green", vxlan("192.168.0.0/16", 9)],
    ],
    [
      "a network inside the underlay",
      "CIDR_OVERLAP",
      /covers 192.168.0.0\/24/,
      "networks/green",
      ["networks/green", vxlan("192.168.0.128/25", 9)],
    ],
    [
      "a network over etcd",
      "CIDR_OVERLAP",
      /covers 172.31.0.9\/32, which is etcd/,
      "networks/green",
      ["networks/green", vxlan("172.16.0.0/12", 9)],
    ],
    [
      "a second network of one VNI",
      "VNI_TAKEN",
      /vni 1042 belongs to networks\/blue, which is older/,
      "networks/green",
      ["networks/green", vxlan("10.99.0.0/16", 1042)],
      joins,
    ],
    [
      "a second host-gw network in one range",
      "CIDR_TAKEN",
      /overlaps that of networks\/gray, which is older/,
      "networks/green",
      ["networks/green", hostGateway("10.43.128.0/17")],
    ],
    [
      "a network for other hosts",
      "HOST_EXCLUDED",
      /names 2 hosts, and h1 is none of them/,
      "networks/green",
      ["networks/green", vxlan("10.99.0.0/16", 9, { hosts: ["h2", "h3"] })],
      joins,
    ],
    [
      "this host's place outside the network",
      "ADDRESS_OUTSIDE",
      /agent address 10.99.0.65 is outside 10.98.0.0\/16/,
      joins[0],
      ["networks/green", vxlan("10.98.0.0/16", 9)],
      joins,
    ],
    [
      "this host's place at the gateway",
      "ADDRESS_RESERVED",
      /agent address 10.99.0.65 is the gateway's/,
      joins[0],
      ["networks/green", vxlan("10.99.0.64/26", 9)],
      joins,
    ],
    [
      "a container of no network",
      "NETWORK_UNKNOWN",
      /no record networks\/green/,
      "keyspaces/green/containers/h1/x",
      ["keyspaces/green/containers/h1/x", container("10.99.0.2", "/run/netns/x")],
    ],
    [
      "a container without address",
      "ADDRESS_MISSING",
      /no address yet/,
      id,
      [id, container(undefined, "/run/netns/x")],
    ],
    [
      "the network's address",
      "ADDRESS_RESERVED",
      /10.42.0.0 is the gateway's, the network's or the broadcast/,
      id,
      [id, container("10.42.0.0", "/run/netns/x")],
    ],
    ["the gateway's address", "ADDRESS_RESERVED", /10.42.0.1 is/, id, [id, container("10.42.0.1", "/run/netns/x")]],
    ["the gateway's address on another host", "ADDRESS_RESERVED", /10.42.0.1 is/, far, [far, container("10.42.0.1")]],
    [
      "the broadcast address",
      "ADDRESS_RESERVED",
      /10.42.255.255 is/,
      id,
      [id, container("10.42.255.255", "/run/netns/x")],
    ],
    [
      "an address of another network's range",
      "ADDRESS_OUTSIDE",
      /10.43.64.70 is outside 10.42.0.0\/16/,
      id,
      [id, container("10.43.64.70", "/run/netns/x")],
    ],
    [
      "this host's agent address",
      "ADDRESS_TAKEN",
      /agent address of host h1/,
      id,
      [id, container("10.42.64.65", "/run/netns/x")],
    ],
    [
      "another host's agent address",
      "ADDRESS_TAKEN",
      /agent address of host h2/,
      id,
      [id, container("10.42.1.65", "/run/netns/x")],
    ],
    [
      "an address that a sibling has",
      "ADDRESS_TAKEN",
      /belongs to keyspaces\/blue\/containers\/h1\/rocketchat, which is older/,
      id,
      [id, container("10.42.64.98", "/run/netns/x")],
    ],
    [
      "an address of another host's container",
      "ADDRESS_TAKEN",
      /belongs to keyspaces\/blue\/containers\/h2\/mongo/,
      id,
      [id, container("10.42.1.98", "/run/netns/x")],
    ],
    [
      "our container's address on another host",
      "ADDRESS_TAKEN",
      /belongs to keyspaces\/blue\/containers\/h1\/rocketchat/,
      far,
      [far, container("10.42.64.98")],
    ],
    [
      "a sibling's namespace",
      "NETNS_TAKEN",
      /belongs to keyspaces\/blue\/containers\/h1\/rocketchat/,
      id,
      [id, container("10.42.64.99", "/run/netns/rocketchat")],
    ],
    [
      "a namespace with an eth0 of another network, spelled in another way",
      "NETNS_TAKEN",
      /belongs to keyspaces\/red\/containers\/h1\/rocketchat/,
      id,
      [id, container("10.42.64.99", "/var/run/netns/red-rocketchat")],
    ],
    [
      "a namespace with an eth0 of another network",
      "NETNS_TAKEN",
      /belongs to keyspaces\/red\/containers\/h1\/rocketchat/,
      id,
      [id, container("10.42.64.99", "/run/netns/red-rocketchat")],
    ],
    [
      "another network's own namespace",
      "NETNS_RESERVED",
      /name of a network's own namespace/,
      id,
      [id, container("10.42.64.99", "/run/netns/skein-red")],
    ],
    [
      "a host without place on the underlay",
      "PEER_UNKNOWN",
      /host h3 has no record hosts\/h3/,
      place,
      [place, member("10.42.3.65")],
    ],
    [
      "a host outside the network",
      "ADDRESS_OUTSIDE",
      /agent address 10.99.3.65 is outside/,
      place,
      host3,
      [place, member("10.99.3.65")],
    ],
    [
      "a host at the gateway's address",
      "ADDRESS_RESERVED",
      /agent address 10.42.0.1 is/,
      place,
      host3,
      [place, member("10.42.0.1")],
    ],
    [
      "a host at the broadcast address",
      "ADDRESS_RESERVED",
      /agent address 10.42.255.255 is/,
      place,
      host3,
      [place, member("10.42.255.255")],
    ],
    [
      "a host at this host's agent address",
      "ADDRESS_TAKEN",
      /belongs to host h1/,
      place,
      host3,
      [place, member("10.42.64.65")],
    ],
    [
      "a host at another's agent address",
      "ADDRESS_TAKEN",
      /belongs to host h2/,
      place,
      host3,
      [place, member("10.42.1.65")],
    ],
    [
      "a host at our container's address",
      "ADDRESS_TAKEN",
      /agent address 10.42.64.98 belongs to keyspaces\/blue\/containers\/h1\/rocketchat, which is older/,
      place,
      host3,
      [place, member("10.42.64.98")],
    ],
    [
      "a host at another host's container's address",
      "ADDRESS_TAKEN",
      /belongs to keyspaces\/blue\/containers\/h2\/mongo, which is older/,
      place,
      host3,
      [place, member("10.42.1.98")],
    ],
    [
      "a host at this host's underlay address",
      "ADDRESS_TAKEN",
      /underlay address 192.168.0.1 is this host's own/,
      "hosts/h3",
      ["hosts/h3", { address: "192.168.0.1" }],
      [place, member("10.42.3.65")],
    ],
    [
      "a host of another segment, without tunnels",
      "PEER_OFF_LINK",
      /host h3 at 10.9.9.9 is not on-link: .* use vxlan/,
      "hosts/h3",
      ["hosts/h3", { address: "10.9.9.9" }],
      ["keyspaces/gray/members/h3", member("10.43.3.65")],
    ],
  ])("%s", (_, code, reason, key, ...records) => {
    const skips = skipsOf([...base, ...put(20n, ...records)]);
    expect(skips).toEqual([{ key, code, reason: expect.stringMatching(reason) }]);
    const lines = effectOf(...records).split("\n");
    expect(lines.filter((line) => !line.includes(`skip ${key}: ${code} `))).toEqual([]);
  });

  it.each<[title: string, ...records: [string, unknown][]]>([
    ["a block as wide as the network", ["keyspaces/blue/blocks/10.42.0.0-16", { host: "h2" }]],
    ["a block wider than the network", ["keyspaces/blue/blocks/10.0.0.0-8", { host: "h2" }]],
    ["a block of everything", ["keyspaces/blue/blocks/0.0.0.0-0", { host: "h2" }]],
    ["a block outside the network", ["keyspaces/blue/blocks/192.168.0.0-24", { host: "h2" }]],
    ["a host-gw block over the underlay", ["keyspaces/gray/blocks/192.168.0.0-24", { host: "h2" }]],
    ["a block of a host that is no member", ["keyspaces/blue/blocks/10.42.7.0-26", { host: "h7" }]],
    [
      "a block that was asked for and not taken",
      ["keyspaces/blue/blocks/10.42.7.0-26", { host: "h2", state: "pending" }],
    ],
    ["another host's block of our container's one address", ["keyspaces/blue/blocks/10.42.64.98-32", { host: "h2" }]],
    ["our block of another host's one address", ["keyspaces/red/blocks/10.42.9.9-32", { host: "h1" }]],
    ["a member of no network", ["keyspaces/green/members/h1", member("10.99.0.65")]],
    ["a host that is nowhere", ["hosts/h9", { address: "192.168.0.9" }]],
  ])("%s leads to nothing", (_, ...records) => {
    expect(effectOf(...records)).toBe("");
  });

  it("a block as wide as the network does not hide a container outside its host's blocks", () => {
    const lost: [string, unknown] = ["keyspaces/blue/containers/h2/x", container("10.42.9.9")];
    const wide: [string, unknown] = ["keyspaces/blue/blocks/10.42.0.0-16", { host: "h2" }];
    expect(effectOf(lost, wide)).toContain("route 10.42.9.9/32 via 10.42.1.65 dev vx0");
  });
});

it("a claim of an agent's address does not take the agent's block of one address away", () => {
  const block: [string, unknown] = ["keyspaces/blue/blocks/10.42.1.65-32", { host: "h2" }];
  expect(effectOf(block, [id, container("10.42.1.65")])).toContain(
    "+ peer blue h2: route 10.42.1.65/32 via 10.42.1.65",
  );
});

describe("of two that claim one thing", () => {
  const [early, late] = [
    put(5n, [id, container("10.42.1.98", "/run/netns/x")]),
    put(20n, [id, container("10.42.1.98", "/run/netns/x")]),
  ];

  it("the older has it, on whichever host it is", () => {
    expect(skipsOf([...base, ...early])).toEqual([]); // h2's, which h1 has no rows for anyway
    expect(print(deriveAll({ world: worldOf([...base, ...early]), self }))).toContain(
      "endpoint blue h1/x: route 10.42.1.98/32 dev br0",
    );
    expect(skipsOf([...base, ...late]).map(({ key }) => key)).toEqual([id]);
  });

  it("the key decides between those of one transaction", () => {
    const twins = put(
      20n,
      [`${id}2`, container("10.42.64.99", "/run/netns/b")],
      [`${id}1`, container("10.42.64.99", "/run/netns/a")],
    );
    expect(skipsOf([...base, ...twins]).map(({ key }) => key)).toEqual([`${id}2`]);
    expect(skipsOf([...base, ...twins.reverse()]).map(({ key }) => key)).toEqual([`${id}2`]);
  });
});

describe("a MAC of the record's own choice", () => {
  it("is worn by one container of a host's network, the oldest", () => {
    const wearer = (ip: string, netns: string) => ({ ...(container(ip, netns) as object), mac: "0a:00:00:00:00:01" });
    const twins = [
      ...put(20n, [id, wearer("10.42.64.99", "/run/netns/x")]),
      ...put(19n, ["keyspaces/blue/containers/h1/y", wearer("10.42.64.100", "/run/netns/y")]),
      ...put(18n, ["keyspaces/blue/containers/h2/z", wearer("10.42.1.100", "/run/netns/z")]),
    ];
    const reason = "mac 0a:00:00:00:00:01 belongs to keyspaces/blue/containers/h1/y, which is older";
    expect(skipsOf([...base, ...twins])).toEqual([{ key: id, code: "MAC_TAKEN", reason }]);
  });
});

describe("a network's name", () => {
  it("can not be another's digest", () => {
    const long = "a-network-with-a-long-name";
    const digest = uplinkName(long).slice("sku-".length);
    expect(uplinkName(long)).toHaveLength(15);
    expect(uplinkName("blue")).toBe("sku-blue");
    expect(digest).toMatch(/^_/); // and no name begins so
  });
});
