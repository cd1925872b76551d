import type { Self } from "../../src/desired/inputs.ts";
import { type Ip, ip, macOf } from "../../src/model/address.ts";
import { type Op, self } from "./fold.ts";

type Record = [key: string, value: unknown];

/** Where each host is in every network, by its second-last byte: agent address and block 10.42.<n>.0/26. */
const hosts = { h1: 64, h2: 1 };

function member(address: Ip): unknown {
  return { address, mac: macOf(address, "0e") };
}

function joined(net: string, first: string): Record[] {
  return Object.entries(hosts).flatMap(([host, n]): Record[] => [
    [`keyspaces/${net}/members/${host}`, member(ip(`${first}.${n}.65`))],
    [`keyspaces/${net}/blocks/${first}.${n}.64-26`, { host }],
  ]);
}

function container(net: string, host: string, name: string, ip: string): Record {
  const netns = `/run/netns/${net === "blue" ? "" : `${net}-`}${name}`;
  return [`keyspaces/${net}/containers/${host}/${name}`, { name, ip, netns }];
}

/** h1 runs rocketchat, h2 runs mongo and hubot; network red has the same range and the same addresses. */
const overlay: Record[] = [
  ["hosts/h1", { address: "192.168.0.1" }],
  ["hosts/h2", { address: "192.168.0.2" }],
  ["networks/blue", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1042 } }],
  ["networks/red", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 2042 }, internal: true }],
  ...joined("blue", "10.42"),
  ...joined("red", "10.42"),
  container("blue", "h1", "rocketchat", "10.42.64.98"),
  container("blue", "h2", "mongo", "10.42.1.98"),
  container("blue", "h2", "hubot", "10.42.1.99"),
  container("red", "h1", "rocketchat", "10.42.64.98"),
  container("red", "h2", "mongo", "10.42.1.98"),
];

const routed: Record[] = [
  ["networks/gray", { cidr: "10.43.0.0/16", backend: { type: "host-gw" } }],
  ...joined("gray", "10.43"),
  container("gray", "h1", "rocketchat", "10.43.64.98"),
  container("gray", "h2", "mongo", "10.43.1.98"),
];

/** The same people where no wire between hosts is trusted; network red sends VXLAN through ESP. */
const sealed: Record[] = [
  ["hosts/h1", { address: "192.168.0.1", ike: { keys: [keyOf("1")] } }],
  ["hosts/h2", { address: "192.168.0.2", ike: { keys: [keyOf("2")] } }],
  ["networks/blue", { cidr: "10.42.0.0/16" }],
  ["networks/red", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 2042 }, encryption: "ipsec" }],
  ...overlay.slice(4),
];

function keyOf(n: string): string {
  return `${n.repeat(42)}A=`;
}

/** Records of one transaction. */
export function put(created: bigint, ...records: Record[]): Op[] {
  return records.map(([key, value]) => ({ key, value, created }));
}

export const rocketChat = put(10n, ...overlay);
/** The same people on the plain network of a rack. */
export const rocketChatSealed = put(10n, ...sealed);
export const rocketChatRouted = put(10n, ...overlay.slice(0, 2), ...routed);

export function selfAs(host: keyof typeof hosts): Self {
  const address = ip(host === "h1" ? "192.168.0.1" : "192.168.0.2");
  return { ...self, host, underlay: { ...self.underlay, address } };
}
