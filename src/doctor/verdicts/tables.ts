import { amiss, type Check, unknown, well } from "../check.ts";
import { type ConntrackFound, isUnread, type NeighboursFound, type Read } from "../found.ts";

const area = "tables";
/** In percent. */
const nearlyFull = 80;

export function judgeNeighbours(found: Read<NeighboursFound>): Check[] {
  const said = { area, name: "neighbours", expected: `less than ${nearlyFull} % of gc_thresh3` } as const;
  if (isUnread(found)) return [unknown({ ...said, found: found.unread })];
  const { entries, permanent, limit, refused } = found;
  const counted = Math.max(0, entries - permanent);
  const text = `${counted} of ${limit}, and ${permanent} permanent ones, which do not count`;
  const remedy =
    `sysctl -w net.ipv4.neigh.default.gc_thresh3=${limit * 4} net.ipv4.neigh.default.gc_thresh2=${limit * 2}, ` +
    "and the same below /etc/sysctl.d; the table is one for all namespaces";
  if (refused > 0)
    return [amiss("warning", { ...said, found: `${text}; there was no room ${refused} times since the boot` }, remedy)];
  if (isNearlyFull(counted, limit)) return [amiss("warning", { ...said, found: text }, remedy)];
  return [well({ ...said, found: text })];
}

/** @param found undefined where nothing tracks connections */
export function judgeConntrack(found: ConntrackFound | undefined): Check[] {
  const said = { area, name: "connections", expected: `less than ${nearlyFull} % of nf_conntrack_max` } as const;
  if (found === undefined) return [well({ ...said, found: "none are tracked" })];
  const { count, limit } = found;
  const text = `${count} of ${limit}`;
  if (!isNearlyFull(count, limit)) return [well({ ...said, found: text })];
  const remedy = `sysctl -w net.netfilter.nf_conntrack_max=${limit * 4}, and the same below /etc/sysctl.d`;
  // At the limit new connections are dropped, whoever's they are.
  return [amiss(count >= limit ? "wrong" : "warning", { ...said, found: text }, remedy)];
}

function isNearlyFull(count: number, limit: number): boolean {
  return count * 100 >= limit * nearlyFull;
}
