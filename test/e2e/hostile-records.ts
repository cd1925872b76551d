import { type Ip, macOf } from "../../src/model/address.ts";
import { type Container, recordOf, vxlan } from "./scene.ts";

/** What stands in the network before anything hostile comes. */
export const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
export const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };
export const bot: Container = { net: "blue", host: "h2", name: "bot", ip: "10.42.205.7" };

/** Below the installation's prefix; a value that is no text and no bytes is put as JSON. */
export type Record = readonly [key: string, value: unknown];

/** Key of a container of h2. */
export const inBlue = (name: string) => `keyspaces/blue/containers/h2/${name}`;
const cidr = (range: string, more: object = {}) => ({ cidr: range, backend: { type: "vxlan", vni: 4711 }, ...more });
const member = (address: string) => ({ address, mac: macOf(address as Ip, "0e") });

/** No records at all: what somebody by mistake or of malice puts where records are. */
export const garbage: readonly Record[] = [
  ["networks/a b", vxlan(9)],
  ["networks/../hosts/h1", vxlan(9)],
  ["networks/a/b", vxlan(9)],
  ["networks/-rf", vxlan(9)],
  [`networks/${"a".repeat(64)}`, vxlan(9)],
  [`networks/${"a/".repeat(5_000)}`, vxlan(9)],
  ["networks/\u001b[2Jclear", vxlan(9)],
  ["networks/l\u043e\u043ek", vxlan(9)],
  ["networks/nul\0", vxlan(9)],
  ["networks/__proto__", vxlan(9)],
  ["networks/nothing", ""],
  ["networks/half", '{"cidr":'],
  ["networks/null", "null"],
  ["networks/bytes", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ["networks/deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ["networks/huge", JSON.stringify(vxlan(9, { hosts: Array(40_000).fill("aaaaaaaa") }))],
  ["networks/host-bits", cidr("10.50.0.1/16")],
  ["networks/everything", cidr("0.0.0.0/0")],
  ["networks/half-of-it", cidr("128.0.0.0/1")],
  ["networks/tiny", cidr("10.50.0.0/30")],
  ["networks/loopback", cidr("127.0.0.0/16")],
  ["networks/link-local", cidr("169.254.0.0/16")],
  ["networks/multicast", cidr("239.0.0.0/16")],
  ["networks/no-vni", { cidr: "10.50.0.0/16", backend: { type: "vxlan" } }],
  ["networks/vni", vxlan(2 ** 24)],
  ["networks/unknown", { cidr: "10.50.0.0/16", backend: { type: "carrier-pigeon" } }],
  ["networks/secret", vxlan(9, { encryption: "rot13" })],
  ["networks/in-clear", { cidr: "10.50.0.0/16", encryption: "none" }],
  ["networks/narrow", vxlan(9, { mtu: 10 })],
  ["hosts/h9", { address: "10.99.0.999" }],
  ["hosts/h8", { address: "127.0.0.1" }],
  ["hosts/h7", { address: "255.255.255.255" }],
  ["hosts/h1/x", { address: "10.99.0.9" }],
  ["keyspaces/blue/members/h9", { address: "10.42.1.1" }],
  ["keyspaces/blue/members/h8", { address: "10.42.1.1", mac: "02:00:00:00:00:01" }],
  ["keyspaces/blue/members/h7", { address: "10.42.1.1", mac: "ff:ff:ff:ff:ff:ff" }],
  ["keyspaces/blue/blocks/10.42.0.0-33", { host: "h9" }],
  ["keyspaces/blue/blocks/10.42.0.1-24", { host: "h9" }],
  ["keyspaces/blue/blocks/10.42.0.0-24", { host: "../h9" }],
  ["keyspaces/blue/blocks/all", { host: "h9" }],
  ["keyspaces/blue/secrets/x", {}],
  ["keyspaces/blue/containers/h2", recordOf(bot)],
  [inBlue("zeros"), { name: "x", ip: "10.042.0.9" }],
  [inBlue("name"), { name: "../x", ip: "10.42.0.9" }],
  [inBlue("shell"), { name: "x", ip: "10.42.0.9", netns: "/run/netns/$(reboot)" }],
  [inBlue("climb"), { name: "x", ip: "10.42.0.9", netns: "/run/netns/../../proc/1/ns/net" }],
  [inBlue("mac"), { name: "x", ip: "10.42.0.9", mac: "ff:ff:ff:ff:ff:ff" }],
  [inBlue("gateway-mac"), { name: "x", ip: "10.42.0.9", mac: "02:53:0a:2a:00:01" }],
  [inBlue("label"), { name: "x", ip: "10.42.0.9", labels: { x: "\u001b[2J" } }],
];

/** Records that say what cannot be, beside others that were there first. */
export const impossible: readonly (readonly [...Record, code: string])[] = [
  ["networks/underlay", cidr("10.99.0.0/16", { hosts: ["h1", "h2"] }), "CIDR_OVERLAP"],
  ["networks/wide", cidr("10.0.0.0/8"), "CIDR_OVERLAP"],
  ["networks/twin", vxlan(1042, { cidr: "10.60.0.0/16" }), "VNI_TAKEN"],
  ["networks/others", vxlan(4712, { cidr: "10.61.0.0/16", hosts: ["h9"] }), "HOST_EXCLUDED"],
  [inBlue("double"), { name: "x", ip: app.ip, netns: "/run/netns/blue-double" }, "ADDRESS_TAKEN"],
  [inBlue("gateway"), { name: "x", ip: "10.42.0.1" }, "ADDRESS_RESERVED"],
  [inBlue("first"), { name: "x", ip: "10.42.0.0" }, "ADDRESS_RESERVED"],
  [inBlue("broadcast"), { name: "x", ip: "10.42.255.255" }, "ADDRESS_RESERVED"],
  [inBlue("outside"), { name: "x", ip: "10.99.0.254" }, "ADDRESS_OUTSIDE"],
  [inBlue("same-netns"), { name: "x", ip: "10.42.0.9", netns: "/run/netns/blue-base" }, "NETNS_TAKEN"],
  [inBlue("same-netns-by-var"), { name: "x", ip: "10.42.0.11", netns: "/var/run/netns/blue-base" }, "NETNS_TAKEN"],
  [inBlue("reserved"), { name: "x", ip: "10.42.0.10", netns: "/run/netns/skein-red" }, "NETNS_RESERVED"],
  [inBlue("agents"), { name: "x", ip: "10.42.92.128" }, "ADDRESS_TAKEN"],
  ["keyspaces/blue/containers/nowhere/x", { name: "x", ip: base.ip }, "ADDRESS_TAKEN"],
  ["keyspaces/blue/members/nowhere", member("10.42.1.1"), "PEER_UNKNOWN"],
  ["keyspaces/blue/members/far", member("10.77.1.1"), "ADDRESS_OUTSIDE"],
  ["keyspaces/blue/members/gate", member("10.42.0.1"), "ADDRESS_RESERVED"],
  ["keyspaces/blue/members/thief", member("10.42.92.128"), "ADDRESS_TAKEN"],
  ["keyspaces/blue/members/squatter", member(app.ip), "ADDRESS_TAKEN"],
];
/** What some of these need to be looked at, and what leads nowhere without a word. */
export const beside: readonly Record[] = [
  ...["far", "gate", "thief", "squatter"].map(
    (host, i): Record => [`hosts/${host}`, { address: `10.99.0.${200 + i}` }],
  ),
  ["keyspaces/blue/blocks/0.0.0.0-0", { host: "squatter" }],
  ["keyspaces/blue/blocks/10.42.0.0-16", { host: "squatter" }],
  [`keyspaces/blue/blocks/${app.ip}-32`, { host: "nowhere" }],
  ["keyspaces/nowhere/containers/h2/x", { name: "x", ip: "10.42.0.9", netns: "/run/netns/blue-base" }],
  ["status/blue/h1", "no JSON"],
  ["networks/.beacon", Buffer.from([0xff])],
  ["elsewhere/x", "whatever"],
];
