import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

/** Where queries for names of others go. */
export interface Upstream {
  address: string;
  port: number;
}

/** How long a look at the file is good for, in milliseconds. */
const freshMs = 1000;
/** glibc's own bound (MAXNS). */
const mostServers = 3;
/** Our own address, in a file that somebody copied from a container: asking it would be asking ourselves. */
const own = "169.254.169.250";

/** The host's name servers, followed: the file is looked at again when a question comes, at most once a second. */
export function hostUpstreams(file: string, now: () => number): () => readonly Upstream[] {
  let known: { mark: string; upstreams: readonly Upstream[] } = { mark: "", upstreams: [] };
  let lookedAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (now() - lookedAt < freshMs) return known.upstreams;
    lookedAt = now();
    try {
      const { ino, size, mtimeMs } = statSync(file);
      const mark = `${ino} ${size} ${mtimeMs}`;
      if (mark !== known.mark) known = { mark, upstreams: readServers(readFileSync(file, "utf8")) };
    } catch {
      // Being replaced, or gone: what was known is better than nothing.
    }
    return known.upstreams;
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
