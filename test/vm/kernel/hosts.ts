import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Cipher } from "../../../src/desired/backends/esp.ts";
import { firstIfId, type Policy, policyKey, type Row, type Scope } from "../../../src/desired/rows.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import { loadLibc } from "../../../src/kernel/libc.ts";
import { namespaceWindow } from "../../../src/kernel/namespace-window.ts";
import { NETLINK_XFRM } from "../../../src/kernel/netlink/constants.ts";
import { netlinkIo } from "../../../src/kernel/netlink/socket.ts";
import { openKernel } from "../../../src/kernel/open.ts";
import { type Cidr, hostPrefix, type Ip, prefixLength } from "../../../src/model/address.ts";
import type { Drivers } from "../../../src/reconcile/kind.ts";
import { addAll, driversOf, row } from "../../kernel/driven.ts";

/**
 *     skein-vm1 10.42.1.1   skein-vm2 10.42.2.1   skein-vm3 10.42.3.1     each with xf0
 *         host1                 host2                 host3
 *           └── 10.99.0.1 ────────┴────── wire ─────────┘
 *
 * The wire counts what passes it in clear, by the inner addresses, and what passes as ESP.
 */
export interface Host {
  n: number;
  /** Its namespace and that of its network, as `ip netns` knows them. */
  outside: string;
  inside: string;
  scope: Scope;
  kernel: Kernel;
  drivers: Drivers;
}

type Mode = "tunnel" | "transport";

export const ifId = firstIfId + 1;
/** XFRMNLGRP_ACQUIRE of xfrm.h. */
const acquireGroup = 1;

/** As ip-xfrm(8) has them. */
const algorithms: Record<Cipher, string> = {
  aes128gcm16: `aead rfc4106(gcm(aes)) ${keyOf(20)} 128`,
  aes256gcm16: `aead rfc4106(gcm(aes)) ${keyOf(36)} 128`,
  chacha20poly1305: `aead rfc7539esp(chacha20,poly1305) ${keyOf(36)} 128`,
  "aes128-sha256": `enc cbc(aes) ${keyOf(16)} auth-trunc hmac(sha256) ${keyOf(32)} 128`,
};

export async function openHosts(count: number): Promise<{ hosts: Host[]; close: () => Promise<void> }> {
  const window = namespaceWindow(loadLibc());
  ip("netns add wire");
  ip("-n wire link add br0 up type bridge");
  sh("ip netns exec wire sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  sh(`ip netns exec wire nft '
    table bridge count {
      counter clear { }
      counter sealed { }
      chain passing {
        type filter hook forward priority 0;
        ip protocol icmp counter name clear
        udp dport 4789 counter name clear
        ip protocol esp counter name sealed
        udp dport 4500 counter name sealed
      }
    }'`);
  const hosts: Host[] = [];
  for (let n = 1; n <= count; n++) {
    const [outside, inside] = [`host${n}`, `skein-vm${n}`];
    ip(`netns add ${outside}`);
    ip(`link add u netns ${outside} type veth peer name w${n} netns wire`);
    ip(`-n wire link set w${n} master br0 up`);
    for (const command of ["link set lo up", `addr add ${underlay(n)}/24 dev u`, "link set u up"])
      ip(`-n ${outside} ${command}`);
    // A Worker lives where the thread that starts it does, so each host has one of its own.
    const place = openSync(`/run/netns/${outside}`, "r");
    const kernel = await window.inside(place, () => openKernel());
    closeSync(place);
    hosts.push({ n, outside, inside, scope: `net:vm${n}`, kernel, drivers: driversOf(kernel) });
  }
  return {
    hosts,
    async close() {
      for (const { kernel, outside, inside } of hosts) {
        await kernel.deleteNamespace(inside);
        await kernel.close();
        ip(`netns del ${outside}`);
      }
      ip("netns del wire");
    },
  };
}

/** The network's namespace with its interface, its address, and routes to all others' prefixes through that. */
export async function join(host: Host, hosts: readonly Host[]): Promise<void> {
  const address = inner(host.n);
  await addAll(host.drivers, [row("namespace", "host", host.inside, {}), xf0(host)]);
  ip(`-n ${host.inside} addr add ${address}/32 dev lo`);
  for (const setting of ["all.rp_filter=0", "xf0.rp_filter=0"])
    sh(`ip netns exec ${host.inside} sysctl -qw net.ipv4.conf.${setting}`);
  for (const { n } of hosts) if (n !== host.n) ip(`-n ${host.inside} route add 10.42.${n}.0/24 dev xf0 src ${address}`);
}

export function xf0({ scope }: Host): Extract<Row, { kind: "link" }> {
  return row("link", scope, "xf0", { type: "xfrm", ifId, mtu: 1400, up: true }) as Extract<Row, { kind: "link" }>;
}

/** What the rules of the backend wish for a prefix behind a peer. */
export function through(host: Host, peer: Host, prefix = `10.42.${peer.n}.0/24` as Cidr): Row[] {
  const [mine, theirs] = [underlay(host.n), underlay(peer.n)];
  const anywhere = "0.0.0.0/0" as Cidr;
  const priority = 8300 + 32 - prefixLength(prefix);
  const rest = { ifId, priority, mode: "tunnel", reqid: reqid(peer) } as const;
  return [
    policy({ dir: "out", src: anywhere, dst: prefix, ...rest, outer: { src: mine, dst: theirs } }),
    policy({ dir: "in", src: prefix, dst: anywhere, ...rest, outer: { src: theirs, dst: mine } }),
  ];
}

/** VXLAN between two hosts' own addresses. */
export function transport(host: Host, peer: Host): Row[] {
  const [mine, theirs] = [hostPrefix(underlay(host.n)), hostPrefix(underlay(peer.n))];
  const rest = { udp: 4789, priority: 8300, mode: "transport", reqid: reqid(peer) } as const;
  return [
    policy({ dir: "out", src: mine, dst: theirs, ...rest }),
    policy({ dir: "in", src: theirs, dst: mine, ...rest }),
  ];
}

export function policy(value: Policy): Row {
  return row("policy", "host", policyKey(value), value);
}

function keyOf(octets: number): string {
  return `0x${"0123456789".repeat(8).slice(0, 2 * octets)}`;
}

interface Making {
  mode?: Mode;
  nth?: number;
  cipher?: Cipher;
  /** In UDP, which nobody here unpacks. */
  encap?: boolean;
}

/** SAs of a pair, both ways, at both hosts, as an IKE daemon makes them; several, by `nth`. */
export function secure(a: Host, b: Host, making: Making = {}): void {
  const { mode = "tunnel", nth = 0, cipher = "aes128gcm16", encap = false } = making;
  const link = mode === "tunnel" ? ` if_id ${ifId} flag af-unspec` : "";
  const udp = encap ? " encap espinudp 4500 4500 0.0.0.0" : "";
  for (const host of [a, b]) {
    const id = reqid(host === a ? b : a);
    const ways = [
      [a, b],
      [b, a],
    ] as const;
    batch(
      host,
      ...ways.map(([from, to]) => {
        const name = `src ${underlay(from.n)} dst ${underlay(to.n)} proto esp spi ${spiOf(from, to, nth, mode)}`;
        return `xfrm state add ${name} reqid ${id} mode ${mode} ${algorithms[cipher]}${udp}${link}`;
      }),
    );
  }
}

export function spiOf(from: Host, to: Host, nth = 0, mode: Mode = "tunnel"): number {
  return 0x1000 * (nth + 1) + from.n * 16 + to.n + (mode === "tunnel" ? 0 : 256);
}

/** Packets that left by an SA. */
export function sentBy(from: Host, to: Host, nth = 0, mode: Mode = "tunnel"): number {
  const name = `src ${underlay(from.n)} dst ${underlay(to.n)} proto esp spi ${spiOf(from, to, nth, mode)}`;
  return Number(/(\d+)\(packets\)/.exec(ip(`-n ${from.outside} -s xfrm state get ${name}`))?.[1]);
}

export function reqid({ n }: Host): number {
  return 0x80000000 + n;
}

export function underlay(n: number): Ip {
  return `10.99.0.${n}` as Ip;
}

export function inner(n: number): Ip {
  return `10.42.${n}.1` as Ip;
}

/** Listens as who negotiates does: only then does the kernel make larval SAs. Answers how to stop. */
export function awaitAcquires({ outside }: Host): () => void {
  const libc = loadLibc();
  const io = netlinkIo(libc, 65_536);
  const place = openSync(`/run/netns/${outside}`, "r");
  const socket = namespaceWindow(libc).inside(place, () => io.open(NETLINK_XFRM, [acquireGroup]));
  closeSync(place);
  return () => closeSync(socket);
}

/** Whether an echo comes back; always from one processor, since each has a memory of its own of ways and SAs. */
export function reaches(namespace: string, to: string, ...options: string[]): boolean {
  try {
    sh(`ip netns exec ${namespace} taskset -c 0 ping -c 1 -W 2 ${options.join(" ")} ${to}`);
    return true;
  } catch {
    return false;
  }
}

/** Packets that passed the wire since the last call. */
export function passed(): { clear: number; sealed: number } {
  const text = sh("ip netns exec wire nft -j reset counters");
  const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
  const count = (name: string) => nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? 0;
  return { clear: count("clear"), sealed: count("sealed") };
}

/** What /proc/net/xfrm_stat counts of a host, zeros left out. */
export function refusals({ outside }: Host): Record<string, number> {
  const lines = sh(`ip netns exec ${outside} cat /proc/net/xfrm_stat`).trim().split("\n");
  const counts = lines.map((line) => line.trim().split(/\s+/) as [string, string]);
  return Object.fromEntries(counts.flatMap(([name, count]) => (count === "0" ? [] : [[name, Number(count)]])));
}

export function ip(command: string): string {
  return execFileSync("ip", command.split(" "), { encoding: "utf8", stdio: "pipe" });
}

/** Several at once: to start a program takes its time here. */
export function batch({ outside }: Host, ...commands: string[]): void {
  execFileSync("ip", ["-n", outside, "-batch", "-"], { input: commands.join("\n"), encoding: "utf8" });
}

export function sh(command: string): string {
  return execFileSync("sh", ["-ec", command], { encoding: "utf8", stdio: "pipe" });
}
