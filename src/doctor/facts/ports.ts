import type { PortsFound } from "../found.ts";
import { holdersOf } from "./processes.ts";
import { textOf } from "./text.ts";

/** @param vici the path of Skein's VICI socket */
export function findPorts(ports: readonly number[], vici: string): PortsFound {
  const wanted = new Set(ports);
  const sockets = ["udp", "udp6"]
    .flatMap((table) => boundPorts(textOf(`/proc/net/${table}`) ?? ""))
    .filter(({ port }) => wanted.has(port));
  const listener = listenerOf(vici, textOf("/proc/net/unix") ?? "");
  const holders = holdersOf(new Set([...sockets.map(({ inode }) => inode), ...(listener ? [listener] : [])]));
  const charon = listener === undefined ? undefined : holders.get(listener);
  const bound = sockets.map(({ port, inode }) => {
    const owner = holders.get(inode);
    return { port, ...(owner && { owner }) };
  });
  return { bound, ...(charon && { charon }) };
}

/** Of the text of /proc/net/udp: columns sl, local_address, rem_address, st, queues, timer, retrnsmt, uid, timeout, inode. */
export function boundPorts(table: string): { port: number; inode: string }[] {
  return rowsOf(table).flatMap((columns) => {
    const port = Number.parseInt(columns[1]?.split(":")[1] ?? "", 16);
    const inode = columns[9];
    return Number.isNaN(port) || inode === undefined ? [] : [{ port, inode }];
  });
}

/** Of the text of /proc/net/unix: columns Num, RefCount, Protocol, Flags, Type, St, Inode, Path; the flag is that of listening. */
export function listenerOf(path: string, table: string): string | undefined {
  return rowsOf(table).find((columns) => columns[3] === "00010000" && columns[7] === path)?.[6];
}

function rowsOf(table: string): string[][] {
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
}
