import { readFileSync } from "node:fs";
import { isIP } from "node:net";

/** Where queries for names of others go. */
export interface Upstream {
  address: string;
  port: number;
}

/** How long what the file said is good for, in milliseconds. */
const freshMs = 1000;
/** glibc's own bound (MAXNS). */
const mostServers = 3;
/** Our own address, in a file that somebody copied from a container: asking it would be asking ourselves. */
const own = "169.254.169.250";

/**
 * The host's name servers, followed: the file is read again when a question comes, at most once a second. Read, and not
 * just looked at: two versions written within a tick of the file system's clock may have one size and one age.
 */
export function hostUpstreams(file: string, now: () => number): () => readonly Upstream[] {
  let known: readonly Upstream[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (now() - readAt < freshMs) return known;
    readAt = now();
    try {
      known = readServers(readFileSync(file, "utf8"));
    } catch {
      // Being replaced, or gone: what was known is better than nothing.
    }
    return known;
  };
}

/** @param text as in resolv.conf(5) */
export function readServers(text: string): Upstream[] {
  return text
    .split("\n")
    .map((line) => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address.split("%")[0] as string) && address !== own)
    .slice(0, mostServers)
    .map((address) => ({ address, port: 53 }));
}
