import { describe, expect, test } from "vitest";
import type { Link, Scope } from "../../src/desired/rows.ts";
import { LinkTable } from "../../src/kernel/link-table.ts";
import { aliasOf, isSameDevice, linkFulfils, linkValue, peerPlace } from "../../src/kernel/link-value.ts";
import type { LinkInfo } from "../../src/kernel/netlink/link-messages.ts";
import { ip, mac } from "../../src/model/address.ts";

const there: Scope = "at:/run/netns/mongo";
const bridge: Link = { type: "bridge", mtu: 1450, up: true };
const vxlan: Link = { type: "vxlan", vni: 7, local: ip("10.0.0.1"), port: 4789, mtu: 1450, up: true };
const xfrm: Link = { type: "xfrm", ifId: 0x53000001, mtu: 1400, up: true };
const veth: Link = { type: "veth", mtu: 1450, up: true, master: "br0", peer: { scope: there, name: "eth0" } };

function info(each: Partial<LinkInfo> & Pick<LinkInfo, "index" | "name">): LinkInfo {
  const rest = {
    mac: mac("02:53:00:00:00:01"),
    mtu: 1450,
    up: true,
    master: undefined,
    peer: undefined,
    alias: "",
    type: "",
  };
  return { ...rest, ...each };
}

const master = info({ index: 2, name: "br0", type: "bridge", alias: "skein" });
const near = info({ index: 5, name: "skc1", type: "veth", alias: aliasOf(veth), master: 2, peer: 9 });
const far = info({ index: 9, name: "eth0", type: "veth", alias: "skein", peer: 5 });
const net = new LinkTable("net:blue", [master, near]);

describe("a wish is fulfilled", () => {
  test("by any address where it names none, and else by that address", () => {
    expect(linkFulfils(bridge, { ...bridge, mac: mac("02:00:00:00:00:01") })).toBe(true);
    expect(
      linkFulfils({ ...bridge, mac: mac("02:00:00:00:00:02") }, { ...bridge, mac: mac("02:00:00:00:00:01") }),
    ).toBe(false);
  });

  test("whatever the far end's address is, which has a row of its own", () => {
    expect(linkFulfils({ ...veth, peer: { ...veth.peer, mac: mac("02:00:00:00:00:02") } }, veth)).toBe(true);
  });

  test.each<[string, Link, Link]>([
    ["MTU", bridge, { ...bridge, mtu: 1400 }],
    ["state", bridge, { ...bridge, up: false }],
    ["type", bridge, { ...bridge, type: "veth-peer" }],
    ["VNI", vxlan, { ...vxlan, vni: 8 }],
    ["local address", vxlan, { ...vxlan, local: ip("10.0.0.2") }],
    ["port", vxlan, { ...vxlan, port: 8472 }],
    ["source port", vxlan, { ...vxlan, fixedSource: true }],
    ["if_id", xfrm, { ...xfrm, ifId: 0 }],
    ["bridge", veth, { type: "veth", mtu: 1450, up: true, peer: veth.peer }],
    ["far end's name", veth, { ...veth, peer: { scope: there, name: "eth1" } }],
    ["far end's scope", veth, { ...veth, peer: { scope: "host", name: "eth0" } }],
  ])("not by another %s", (_what, wish, found) => {
    expect(linkFulfils(wish, found)).toBe(false);
    expect(linkFulfils(wish, wish)).toBe(true);
  });

  test("in place, where only state, MTU, address or bridge differ", () => {
    expect(isSameDevice(veth, { type: "veth", mtu: 1, up: false, peer: veth.peer })).toBe(true);
    expect(isSameDevice(vxlan, { ...vxlan, vni: 8 })).toBe(false);
  });
});

describe("a pair", () => {
  test("is known by its alias where the far end's scope cannot be looked into", () => {
    expect(peerPlace(near)).toEqual({ scope: there, name: "eth0" });
    expect(linkValue(net, near, undefined)).toMatchObject(veth);
  });

  test("is whole where both ends name each other", () => {
    expect(linkValue(net, near, new LinkTable(there, [far]))).toMatchObject(veth);
  });

  test.each<[string, LinkInfo[]]>([
    ["is not there", []],
    ["has another name", [{ ...far, name: "other" }]],
    ["belongs to another pair", [{ ...far, peer: 6 }]],
    ["is no pair's", [{ ...far, type: "bridge" }]],
  ])("is torn where the far end %s", (_how, links) => {
    const found = linkValue(net, near, new LinkTable(there, links)) as Link;
    expect(linkFulfils(veth, found)).toBe(false);
  });

  test("without an alias is no wish's", () => {
    const found = linkValue(net, { ...near, alias: "" }, undefined) as Link;
    expect(linkFulfils(veth, found)).toBe(false);
  });
});

test("outside our namespaces a link without our alias is not ours, inside all are but lo", () => {
  for (const scope of ["host", there] as const) {
    const table = new LinkTable(scope, []);
    expect(linkValue(table, { ...master, alias: "" }, undefined)).toBeUndefined();
    expect(linkValue(table, { ...master, alias: "skeinlike" }, undefined)).toBeUndefined();
    expect(linkValue(table, master, undefined)).toMatchObject({ type: "bridge" });
  }
  expect(linkValue(net, { ...master, alias: "" }, undefined)).toMatchObject({ type: "bridge" });
  expect(linkValue(net, info({ index: 1, name: "lo" }), undefined)).toBeUndefined();
});

test("an xfrm interface that looks for its SAs in its own namespace is no wish's", () => {
  const found = info({ index: 7, name: "xf0", type: "xfrm", mtu: 1400 });
  expect(linkValue(net, { ...found, ifId: 0x53000001 }, undefined)).toMatchObject(xfrm);
  expect(linkFulfils(xfrm, linkValue(net, found, undefined) as Link)).toBe(false);
});
