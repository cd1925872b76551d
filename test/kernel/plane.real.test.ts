import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Row, Scope } from "../../src/desired/rows.ts";
import { cidr, ip, mac } from "../../src/model/address.ts";
import { row } from "./driven.ts";
import { run } from "./witness.ts";

/**
 * The data plane of two hosts, made by the drivers alone, each host's by a process in its namespace:
 *
 *     c15 c16 ── br0 [skein-<one>] vx0 ·· UDP 4789 ·· vx0 [skein-<two>] br0 ── c25 c26
 *                 host 1  10.99.0.1 ──────────────── 10.99.0.2  host 2
 */
const unique = `${process.pid}x${randomBytes(2).toString("hex")}`;
const host = (number: number) => `ph${number}-${unique}`;
const net = (number: number) => `p${number}-${unique}`;
const container = (number: number, last: number) => `pc${number}${last}-${unique}`;
const hosts = [1, 2] as const;
const lasts = [5, 6] as const;
const names = hosts.flatMap((number) => [
  host(number),
  `skein-${net(number)}`,
  ...lasts.map((last) => container(number, last)),
]);

const mtu = 1450;
const vtep = (number: number) => mac(`0e:53:0a:63:00:0${number}`);

function rowsOf(number: 1 | 2): Row[] {
  const other = 3 - number;
  const scope: Scope = `net:${net(number)}`;
  const agent = ip(`10.42.${number}.1`);
  const peer = ip(`10.42.${other}.1`);
  const local = ip(`10.99.0.${number}`);
  const gateway = ip("10.42.0.1");
  const sysctls = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.br0.proxy_arp": "1",
    "net.ipv4.neigh.br0.proxy_delay": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.br0.send_redirects": "0",
  };
  return [
    row("namespace", "host", `skein-${net(number)}`, {}),
    row("link", scope, "br0", { type: "bridge", mac: mac("02:53:00:04:12:01"), mtu, up: true }),
    row("link", scope, "vx0", { type: "vxlan", vni: 1042, local, port: 4789, mac: vtep(number), mtu, up: true }),
    ...lasts.flatMap((last) => portOf(number, last, scope)),
    ...Object.entries(sysctls).map(([name, value]) => row("sysctl", scope, name, { value })),
    ...[agent, gateway].map((address) =>
      row("address", scope, `br0 ${address}/32`, { dev: "br0", address: `${address}/32` }),
    ),
    row("neighbour", scope, `vx0 ${peer}`, { dev: "vx0", ip: peer, lladdr: vtep(other) }),
    row("fdb", scope, `vx0 ${vtep(other)}`, { dev: "vx0", lladdr: vtep(other), dst: ip(`10.99.0.${other}`) }),
    row("route", scope, "10.42.0.0/16", { type: "unreachable", dst: cidr("10.42.0.0/16") }),
    row("route", scope, `10.42.${other}.0/24`, {
      type: "unicast",
      dst: cidr(`10.42.${other}.0/24`),
      dev: "vx0",
      via: peer,
      onlink: true,
      src: agent,
      scope: "global",
    }),
  ];
}

function portOf(number: number, last: number, scope: Scope): Row[] {
  const inside: Scope = `at:/run/netns/${container(number, last)}`;
  const address = mac(`02:53:0a:2a:0${number}:0${last}`);
  const dst = cidr(`10.42.${number}.${last}/32`);
  const gateway = ip("10.42.0.1");
  const peer = { scope: inside, name: "eth0", mac: address };
  return [
    row("link", scope, `skc${last}`, { type: "veth", mtu, up: true, master: "br0", peer }),
    row("address", inside, `eth0 10.42.${number}.${last}/16`, { dev: "eth0", address: `10.42.${number}.${last}/16` }),
    row("route", inside, "0.0.0.0/0", {
      type: "unicast",
      dst: cidr("0.0.0.0/0"),
      dev: "eth0",
      via: gateway,
      scope: "global",
    }),
    row("route", scope, dst, { type: "unicast", dst, dev: "br0", scope: "link" }),
  ];
}

beforeAll(() => {
  for (const number of hosts) {
    run("ip", "netns", "add", host(number));
    run("ip", "-n", host(number), "link", "set", "lo", "up");
    for (const last of lasts) run("ip", "netns", "add", container(number, last));
  }
  run("ip", "link", "add", "u1", "netns", host(1), "type", "veth", "peer", "name", "u2", "netns", host(2));
  for (const number of hosts) {
    run("ip", "-n", host(number), "addr", "add", `10.99.0.${number}/24`, "dev", `u${number}`);
    run("ip", "-n", host(number), "link", "set", `u${number}`, "up");
    const script = join(import.meta.dirname, "apply-rows.ts");
    execFileSync("nsenter", [`--net=/run/netns/${host(number)}`, process.execPath, script], {
      input: JSON.stringify(rowsOf(number)),
      stdio: "pipe",
    });
  }
});
afterAll(() => {
  for (const name of names) spawnSync("ip", ["netns", "delete", name]);
});

/** The time to live of the answer, or `undefined` where none comes. */
function ping(from: string, to: string): number | undefined {
  const { stdout } = spawnSync("ip", ["netns", "exec", from, "ping", "-c1", "-W1", to], { encoding: "utf8" });
  const ttl = /ttl=(\d+)/.exec(stdout)?.[1];
  return ttl === undefined ? undefined : Number(ttl);
}

function hops(from: string, to: string): string[] {
  const lines = run("ip", "netns", "exec", from, "traceroute", "-n", "-q1", "-w1", to).trim().split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/)[1] ?? "");
}

test("containers of one host reach each other over the bridge, of two hosts over the two agents", () => {
  expect(ping(container(1, 5), "10.42.1.6")).toBe(64);
  expect(ping(container(1, 5), "10.42.2.5")).toBe(62);
  expect(hops(container(1, 5), "10.42.1.6")).toEqual(["10.42.1.6"]);
  expect(hops(container(1, 5), "10.42.2.5")).toEqual(["10.42.1.1", "10.42.2.1", "10.42.2.5"]);
});

test("an address that nobody has stays silent", () => {
  expect(ping(container(1, 5), "10.42.2.77")).toBeUndefined();
  expect(ping(container(1, 5), "10.42.3.77")).toBeUndefined();
});

test("a container sees its neighbours on the host as they are, all others at the gateway's address", () => {
  ping(container(2, 5), "10.42.2.6");
  ping(container(2, 5), "10.42.1.5");
  const neighbours = JSON.parse(run("ip", "-n", container(2, 5), "-json", "neigh")) as {
    dst: string;
    lladdr?: string;
  }[];
  const address = Object.fromEntries(neighbours.map(({ dst, lladdr }) => [dst, lladdr]));
  expect(address).toMatchObject({ "10.42.2.6": "02:53:0a:2a:02:06" });
  // The /16 is on-link for the container, and br0 answers for what lies behind it.
  expect(address["10.42.1.5"]).toBe("02:53:00:04:12:01");
});
