import fc from "fast-check";
import { describeRow } from "../../src/desired/print.ts";
import { firstIfId, type Policy, policyKey, type Row, type Scope } from "../../src/desired/rows.ts";
import { type Cidr, hostPrefix, type Ip, ip, macOf } from "../../src/model/address.ts";
import type { RecordKey } from "../../src/model/keys.ts";
import type { UnitId } from "../../src/reconcile/engine.ts";

/** What one host may be told: a few networks, each with peers and containers. Numbers choose among values of a row. */
export interface Scene {
  [net: string]: { mtu: number; peers: Record<string, number>; containers: Record<string, number> };
}

export type Wish = readonly [UnitId, readonly Row[]];

/** Every row of a scene by unit, in the shape that `desired/` gives them: each needs what comes before it. */
export function wishes(scene: Scene): Wish[] {
  return Object.entries(scene).flatMap(([net, { mtu, peers, containers }]) => [
    [`network ${net}`, network(net, mtu)] as const,
    ...Object.entries(peers).map(([host, n]) => [`peer ${net} ${host}`, peer(net, host, n)] as const),
    ...Object.entries(containers).map(([id, n]) => [`endpoint ${net} h1/${id}`, endpoint(net, id, n, mtu)] as const),
  ]);
}

/** The kernel as it must look, as lines. */
export function print(scene: Scene): string {
  const rows = wishes(scene).flatMap(([, rows]) => rows);
  return [...new Set(rows.map(describeRow))].sort().join("\n");
}

/** Wishes that lead from one scene to another: every unit of either. */
export function step(from: Scene, to: Scene): Wish[] {
  const gone = new Set(wishes(from).map(([unit]) => unit));
  const now = wishes(to);
  for (const [unit] of now) gone.delete(unit);
  return [...now, ...[...gone].map((unit) => [unit, []] as const)];
}

export const anyScene: fc.Arbitrary<Scene> = fc.dictionary(
  fc.constantFrom("blue", "red"),
  fc.record({
    mtu: fc.constantFrom(1400, 1450),
    peers: fc.dictionary(fc.constantFrom("h2", "h3", "h4"), fc.nat(2)),
    containers: fc.dictionary(fc.constantFrom("mongo", "hubot", "web"), fc.nat(2)),
  }),
);

export function record(key: string): RecordKey {
  return key as RecordKey;
}

export function network(net: string, mtu = 1450): Row[] {
  const scope: Scope = `net:${net}`;
  const because = [record(`networks/${net}`)];
  const gateway = ip("10.42.0.1");
  return [
    { kind: "namespace", scope: "host", key: `skein-${net}`, value: {}, because },
    {
      kind: "guard",
      scope,
      key: "bridge set endpoints",
      value: { object: "set", family: "bridge", name: "endpoints", type: "ifname . ipv4_addr" },
      because,
    },
    {
      kind: "guard",
      scope,
      key: "bridge chain ports",
      value: { object: "chain", family: "bridge", name: "ports", rules: [`meta mark ${mtu} drop`] },
      because,
    },
    { kind: "link", scope, key: "br0", value: { type: "bridge", mac: macOf(gateway), mtu, up: true }, because },
    {
      kind: "link",
      scope,
      key: "vx0",
      value: {
        type: "vxlan",
        mac: macOf(gateway, "0e"),
        mtu,
        up: true,
        vni: 42,
        local: ip("192.0.2.1"),
        port: 4789,
      },
      because,
    },
    { kind: "sysctl", scope, key: "net.ipv4.conf.br0.proxy_arp", value: { value: "1" }, because },
    {
      kind: "address",
      scope,
      key: "br0 10.42.0.1/32",
      value: { dev: "br0", address: "10.42.0.1/32" },
      because,
    },
    {
      kind: "route",
      scope,
      key: "10.42.0.0/16",
      value: { type: "unreachable", dst: "10.42.0.0/16" as Cidr },
      because,
    },
    // Wished alike by every network.
    { kind: "sysctl", scope: "host", key: "net.ipv4.ip_forward", value: { value: "1" }, because },
  ];
}

/** The secured part of a peer: its connection, which all networks wish alike, one child of it, and the policies that want it. */
function sealed(net: string, host: string, underlay: Ip, because: Row["because"]): Row[] {
  const [mine, octet] = [ip("192.0.2.1"), Number(host.slice(1))];
  const [anywhere, dst] = ["0.0.0.0/0" as Cidr, `10.42.${octet}.0/24` as Cidr];
  const ifId = firstIfId + net.length;
  const rest = { ifId, priority: 8308, mode: "tunnel", reqid: 1000 + octet } as const;
  const policies: Policy[] = [
    { dir: "out", src: anywhere, dst, ...rest, outer: { src: mine, dst: underlay } },
    { dir: "in", src: dst, dst: anywhere, ...rest, outer: { src: underlay, dst: mine } },
  ];
  const remote = ip(`192.0.2.${octet}`);
  return [
    {
      kind: "tunnel",
      scope: "host",
      key: `conn-${host}`,
      value: { type: "connection", host, local: mine, remote, encap: true, auth: { type: "psk" } },
      because,
    },
    {
      kind: "tunnel",
      scope: "host",
      key: `conn-${host} child-${net}`,
      value: { type: "child", mode: "tunnel", selector: anywhere, label: net, reqid: rest.reqid, ifId, proposals: [] },
      because,
    },
    ...policies.map((value): Row => ({ kind: "policy", scope: "host", key: policyKey(value), value, because })),
  ];
}

function peer(net: string, host: string, n: number): Row[] {
  const scope: Scope = `net:${net}`;
  const because = [record(`keyspaces/${net}/members/${host}`)];
  const octet = Number(host.slice(1));
  const agent = ip(`10.42.${octet}.1`);
  const lladdr = macOf(agent, "0e");
  const dst = `10.42.${octet}.0/24` as Cidr;
  const src = ip("10.42.0.1");
  const underlay = ip(`192.0.2.${10 * n + octet}`);
  return [
    ...sealed(net, host, underlay, because),
    {
      kind: "neighbour",
      scope,
      key: `vx0 ${agent}`,
      value: { dev: "vx0", ip: agent, lladdr },
      because,
    },
    {
      kind: "fdb",
      scope,
      key: `vx0 ${lladdr}`,
      value: { dev: "vx0", lladdr, dst: underlay },
      because,
    },
    {
      kind: "route",
      scope,
      key: dst,
      value: { type: "unicast", dst, dev: "vx0", via: agent, onlink: true, src, scope: "global" },
      because,
    },
  ];
}

function endpoint(net: string, id: string, n: number, mtu: number): Row[] {
  const scope: Scope = `net:${net}`;
  const there: Scope = `at:/run/netns/${net}-${id}`;
  const because = [record(`keyspaces/${net}/containers/h1/${id}`)];
  const address = ip(`10.42.64.${10 * n + id.length}`);
  const mac = macOf(address);
  const port = `skc${id}`;
  const dst = hostPrefix(address);
  const zero = "0.0.0.0/0" as Cidr;
  return [
    {
      kind: "guard",
      scope,
      key: `bridge element endpoints ${port} . ${address}`,
      value: { object: "element", family: "bridge", set: "endpoints", element: [port, address] },
      because,
    },
    {
      kind: "link",
      scope,
      key: port,
      value: {
        type: "veth",
        mac: macOf(address, "0e"),
        mtu,
        up: true,
        master: "br0",
        peer: { scope: there, name: "eth0", mac },
      },
      because,
    },
    { kind: "neighbour", scope, key: `br0 ${address}`, value: { dev: "br0", ip: address, lladdr: mac }, because },
    { kind: "route", scope, key: dst, value: { type: "unicast", dst, dev: "br0", scope: "link" }, because },
    { kind: "link", scope: there, key: "eth0", value: { type: "veth-peer", mac, mtu, up: true }, because },
    {
      kind: "address",
      scope: there,
      key: `eth0 ${address}/16`,
      value: { dev: "eth0", address: `${address}/16` },
      because,
    },
    {
      kind: "route",
      scope: there,
      key: zero,
      value: { type: "unicast", dst: zero, dev: "eth0", via: ip("10.42.0.1"), scope: "global" },
      because,
    },
  ];
}
