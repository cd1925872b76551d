import { expect, test } from "vitest";
import { decide, leaveWrites } from "../../src/ipam/membership.ts";
import { type Op, self, worldOf } from "../desired/fold.ts";

const network: Op = {
  key: "networks/blue",
  value: { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 7 } },
  created: 1n,
};
const own: Op = { key: "keyspaces/blue/containers/h1/web", value: { name: "web", ip: "10.42.0.9" }, created: 2n };
const foreign: Op = { ...own, key: "keyspaces/blue/containers/h2/web" };
const member: Op = {
  key: "keyspaces/blue/members/h1",
  value: { address: "10.42.1.64", mac: "0e:53:0a:2a:01:40" },
  created: 3n,
};
const block: Op = { key: "keyspaces/blue/blocks/10.42.1.64-26", value: { host: "h1" }, created: 3n };

test.each([
  ["containers of others are no reason to join", [network, foreign], "stay"],
  ["a container of this host is", [network, own], "join"],
  ["a member with a container stays", [network, own, member], "stay"],
  ["a member without one leaves", [network, foreign, member], "leave"],
  ["a container without a network waits", [own], "stay"],
  ["a member whose network is gone leaves", [own, member], "leave"],
  [
    "a network that names other hosts is not joined",
    [{ ...network, value: { ...(network.value as object), hosts: ["h2"] } }, own],
    "stay",
  ],
  [
    "a network whose range covers the underlay is left",
    [{ ...network, value: { ...(network.value as object), cidr: "192.168.0.0/16" } }, own, member],
    "leave",
  ],
  [
    "a member whose address a container had before it leaves, to join with another",
    [network, { ...own, value: { name: "web", ip: "10.42.1.64" } }, member],
    "leave",
  ],
  [
    "a container that comes to a member's address later is none of the member's business",
    [network, { ...own, value: { name: "web", ip: "10.42.1.64" }, created: 4n }, member],
    "stay",
  ],
])("%s", (_, ops, decision) => {
  expect(decide("blue", { world: worldOf(ops), self })).toBe(decision);
});

test("leaving takes the member record, the status and every block", () => {
  const writes = leaveWrites("blue", { world: worldOf([network, member, block]), self });
  expect(writes).toEqual([
    { type: "remove", key: "keyspaces/blue/members/h1" },
    { type: "remove", key: "status/blue/h1" },
    { type: "remove", key: "keyspaces/blue/blocks/10.42.1.64-26" },
  ]);
});
