import { closeSync, openSync, readSync, writeSync } from "node:fs";
import koffi from "koffi";
import { describe } from "./message.ts";

/**
 * An independent listener: joins the kernel's own groups in any namespace and stamps each notification as it is taken
 * from the socket, by the clock that process.hrtime reads in every process (CLOCK_MONOTONIC). A process of its own, and
 * synchronous throughout, so that no event loop comes between the kernel and the stamp; nothing of it is the agent's code.
 *
 * Standard input: `open NAME PATH`, a line each. Standard output: `ready NAME`, and `STAMP NAME +|- WHAT` a notification,
 * written when the kernel has been quiet for a while, so that telling does not take the processor from who is measured.
 */
const quietMs = 5;
const [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_XFRM] = [16, 0x80003, 0, 12, 6];
const [SOL_SOCKET, SO_RCVBUFFORCE, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP] = [1, 33, 270, 1];
const [MSG_DONTWAIT, CLONE_NEWNET, POLLIN] = [0x40, 0x40000000, 1];
/** RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE; NFNLGRP_NFTABLES; XFRMNLGRP_POLICY. */
const groups = { [NETLINK_ROUTE]: [1, 3, 5, 7], [NETLINK_NETFILTER]: [7], [NETLINK_XFRM]: [4] };

const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int domain, int type, int protocol)");
const bind = libc.func("int bind(int fd, const void *address, uint32_t length)");
const setsockopt = libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");
const recv = libc.func("int64_t recv(int fd, void *buffer, size_t length, int flags)");
const poll = libc.func("int poll(void *fds, unsigned long count, int timeout)");
const setns = libc.func("int setns(int fd, int type)");

interface Ear {
  fd: number;
  name: string;
  protocol: number;
}

const own = openSync("/proc/self/ns/net", "r");
const ears: Ear[] = [];
const buffer = new Uint8Array(256 * 1024);
let heard: { stamp: bigint; ear: Ear; bytes: Uint8Array }[] = [];
let input = "";

for (;;) {
  const fds = new Int32Array(2 * (ears.length + 1));
  for (const [at, fd] of [0, ...ears.map((ear) => ear.fd)].entries()) fds.set([fd, POLLIN], 2 * at);
  const ready: number = poll(fds, ears.length + 1, heard.length > 0 ? quietMs : 1000);
  if (ready === 0) tell();
  ears.forEach((ear, at) => {
    if ((fds[2 * at + 3] ?? 0) >>> 16 !== 0) drain(ear);
  });
  if ((fds[1] ?? 0) >>> 16 !== 0 && !obey()) break;
}

function drain(ear: Ear): void {
  for (;;) {
    const length = Number(recv(ear.fd, buffer, buffer.length, MSG_DONTWAIT));
    const stamp = process.hrtime.bigint();
    if (length < 0) {
      if (koffi.errno() === koffi.os.errno.EAGAIN) return;
      throw new Error(`Cannot listen in ${ear.name}: expected notifications, got errno ${koffi.errno()}`);
    }
    heard.push({ stamp, ear, bytes: buffer.slice(0, length) });
  }
}

/** Answers whether there may be more commands. */
function obey(): boolean {
  const bytes = Buffer.alloc(4096);
  const length = readSync(0, bytes);
  input += bytes.toString("utf8", 0, length);
  const lines = input.split("\n");
  input = lines.pop() ?? "";
  for (const line of lines) {
    const [, name, path] = line.split(" ") as [string, string, string];
    listen(name, path);
    tell();
    writeSync(1, `ready ${name}\n`);
  }
  return length > 0;
}

function listen(name: string, path: string): void {
  const namespace = openSync(path, "r");
  must(setns(namespace, CLONE_NEWNET), `enter ${path}`);
  for (const protocol of [NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_XFRM] as const) {
    const fd: number = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    // A kernel without XFRM has no policies to tell of.
    if (fd < 0 && protocol === NETLINK_XFRM) continue;
    must(fd, "open a socket");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(64 << 20), 4), "enlarge a buffer");
    must(bind(fd, Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 12), "bind a socket");
    for (const group of groups[protocol] ?? [])
      must(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, Int32Array.of(group), 4), `join group ${group}`);
    ears.push({ fd, name, protocol });
  }
  must(setns(own, CLONE_NEWNET), "come back");
  closeSync(namespace);
}

function tell(): void {
  const lines = heard.flatMap(({ stamp, ear, bytes }) =>
    describe(ear.protocol, bytes).map((what) => `${stamp} ${ear.name} ${what}\n`),
  );
  heard = [];
  const text = Buffer.from(lines.join(""));
  // A pipe takes what it has room for.
  for (let at = 0; at < text.length; ) at += writeSync(1, text, at);
}

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`Cannot ${what}: errno ${koffi.errno()}`);
  return result;
}
