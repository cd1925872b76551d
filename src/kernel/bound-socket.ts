import type { Ip } from "../model/address.ts";
import { checked, type Libc } from "./libc.ts";
import { closeQuietly } from "./namespace-window.ts";

/** Of socket.h and in.h. */
const AF_INET = 2;
const types = { tcp: 1, udp: 2 };
const SOCK_NONBLOCK_CLOEXEC = 0x80800;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;

/** Bytes, which the kernel doubles: some 8,000 small datagrams, what comes while a thread waits 100 ms for its turn. */
const receiveBuffer = 4 * 1024 * 1024;

/** A socket of the thread's present namespace, bound to an address that need not be there yet. */
export function boundSocket(libc: Libc, transport: "udp" | "tcp", address: Ip, port: number): number {
  const fd = checked(libc.socket(AF_INET, types[transport] | SOCK_NONBLOCK_CLOEXEC, 0), `make ${transport} socket`);
  try {
    const set = (level: number, name: number, value: number) =>
      checked(libc.setsockopt(fd, level, name, new Int32Array([value]), 4), `prepare ${transport} socket`);
    set(IPPROTO_IP, IP_FREEBIND, 1);
    // Connections of the last agent may still be closing.
    if (transport === "tcp") set(SOL_SOCKET, SO_REUSEADDR, 1);
    else set(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer);
    const name = new Uint8Array([AF_INET, 0, port >> 8, port & 255, ...address.split(".").map(Number), ...padding]);
    checked(libc.bind(fd, name, name.length), `bind ${transport} socket to ${address}:${port}`);
    return fd;
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/** sockaddr_in is 16 bytes long. */
const padding = new Uint8Array(8);
