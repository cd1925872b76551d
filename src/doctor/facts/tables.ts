import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { loadLibc } from "../../kernel/libc.ts";
import { namespaceWindow } from "../../kernel/namespace-window.ts";
import type { ConntrackFound, NeighboursFound, Read } from "../found.ts";
import { numberOf, textOf } from "./text.ts";

const namespaces = "/run/netns";

export function findNeighbours(): Read<NeighboursFound> {
  const limit = numberOf("/proc/sys/net/ipv4/neigh/default/gc_thresh3");
  if (limit === undefined) return { unread: "gc_thresh3 shows in the machine's own network namespace only" };
  const { entries, refused } = neighbourTable(textOf("/proc/net/stat/arp_cache") ?? "");
  return { entries, refused, limit, permanent: countPermanent() };
}

/** @param text a line of names, then one a processor, in hexadecimal; entries are the whole table's in each */
export function neighbourTable(text: string): { entries: number; refused: number } {
  const [names = [], ...rows] = text.split("\n").map((line) => line.trim().split(/\s+/));
  const column = (name: string) => {
    const at = names.indexOf(name);
    return rows.map((row) => Number.parseInt(row[at] ?? "0", 16) || 0);
  };
  return { entries: Math.max(0, ...column("entries")), refused: column("table_fulls").reduce((a, b) => a + b, 0) };
}

/** Of this namespace and of all that have names: the table is one, but each shows only its own. */
function countPermanent(): number {
  const here = permanentIn(textOf("/proc/net/arp") ?? "");
  if (process.getuid?.() !== 0) return here;
  const window = namespaceWindow(loadLibc());
  return here + namedNamespaces().reduce((sum, path) => sum + permanentAt(window, path), 0);
}

function permanentAt(window: ReturnType<typeof namespaceWindow>, path: string): number {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    return window.inside(fd, () => permanentIn(readFileSync("/proc/thread-self/net/arp", "utf8")));
  } catch {
    return 0; // gone meanwhile, or a file that is no namespace
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function namedNamespaces(): string[] {
  try {
    return readdirSync(namespaces).map((name) => `${namespaces}/${name}`);
  } catch {
    return [];
  }
}

/** ATF_PERM of if_arp.h. */
const permanent = 0x04;

/** @param table the text of /proc/net/arp: IP address, HW type, Flags, ... */
export function permanentIn(table: string): number {
  return table.split("\n").filter((line) => Number(line.split(/\s+/)[2]) & permanent).length;
}

export function findConntrack(): ConntrackFound | undefined {
  const count = numberOf("/proc/sys/net/netfilter/nf_conntrack_count");
  const limit = numberOf("/proc/sys/net/netfilter/nf_conntrack_max");
  return count === undefined || limit === undefined ? undefined : { count, limit };
}
