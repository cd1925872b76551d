import { type Cidr, firstOf, fromNumber, type Ip, sizeOf, toNumber } from "../model/address.ts";
import type { Claim } from "../model/claim.ts";
import { isAssignable, type Network } from "../model/network.ts";
import type { Revision } from "../model/revision.ts";

/** A claim as it stands in etcd; `claim` is absent where what stands there is none. */
export interface KnownClaim {
  ip: Ip;
  revision: Revision;
  claim?: Claim;
}

/** An address to try, and what must still stand in its place for the try to count. */
export interface Candidate {
  ip: Ip;
  at: Revision | "absent";
  before?: Claim;
}

export interface PoolOptions {
  network: Network;
  prefixes: Iterable<Cidr>;
  claims: Iterable<KnownClaim>;
  /** Whether some record has the address, claimed or not. */
  inUse(ip: Ip): boolean;
  /** Where in each prefix to begin, a number of addresses: hosts that share a range should not all ask for the same. */
  seed?: number;
}

/**
 * The addresses of some prefixes, as one host knows them: it may be behind, and a candidate it gives is a guess that etcd
 * confirms. Never gives an address twice unless it is given back or noted as free. Addresses that nobody ever had come
 * first, then those whose rest is over, longest rested first.
 */
export interface Pool {
  take(now: number): Candidate | undefined;
  /** The try came to nothing, and left no trace. */
  giveBack(candidate: Candidate): void;
  /** What stands in etcd now; `claim` undefined: nothing. */
  note(ip: Ip, known: KnownClaim | undefined): void;
  known(ip: Ip): KnownClaim | undefined;
  all(): Iterable<KnownClaim>;
  add(prefix: Cidr, claims: Iterable<KnownClaim>): void;
}

export function createPool({ network, prefixes, claims, inUse, seed = 0 }: PoolOptions): Pool {
  const known = new Map<Ip, KnownClaim>();
  const untried: Generator<Ip>[] = [];
  const back: Ip[] = [];
  /** Longest rested first. An entry that `known` has no more is out of date. */
  const rested: KnownClaim[] = [];
  const out = new Set<Ip>();

  for (const claim of claims) enter(claim);
  rested.sort((a, b) => releasedAt(a) - releasedAt(b));
  for (const prefix of prefixes) untried.push(addressesOf(prefix, seed));

  const isFree = (ip: Ip) => !known.has(ip) && !out.has(ip) && !inUse(ip) && isAssignable(network, ip);

  function take(now: number): Candidate | undefined {
    const ip = takeFresh();
    if (ip !== undefined) {
      out.add(ip);
      return { ip, at: "absent" };
    }
    for (let i = 0; i < rested.length; i++) {
      const entry = rested[i] as KnownClaim;
      if (releasedAt(entry) + network.restSeconds * 1000 > now) return undefined;
      const current = known.get(entry.ip) === entry;
      if (current && (inUse(entry.ip) || !isAssignable(network, entry.ip))) continue;
      rested.splice(i--, 1);
      if (!current || out.has(entry.ip)) continue;
      out.add(entry.ip);
      return { ip: entry.ip, at: entry.revision, ...(entry.claim && { before: entry.claim }) };
    }
    return undefined;
  }

  function takeFresh(): Ip | undefined {
    for (let ip = back.shift(); ip !== undefined; ip = back.shift()) if (isFree(ip)) return ip;
    for (let range = untried[0]; range !== undefined; range = untried[0]) {
      for (let next = range.next(); !next.done; next = range.next()) if (isFree(next.value)) return next.value;
      untried.shift();
    }
    return undefined;
  }

  function enter(claim: KnownClaim): void {
    known.set(claim.ip, claim);
    if (claim.claim?.state === "resting") rested.push(claim);
  }

  function note(ip: Ip, claim: KnownClaim | undefined): void {
    out.delete(ip);
    if (claim === undefined) {
      if (known.delete(ip)) back.push(ip);
      return;
    }
    enter(claim);
    // Releases come in the order of their clocks, nearly: from the end it is a step or two.
    for (let i = rested.length - 1; i > 0; i--) {
      const [a, b] = [rested[i - 1] as KnownClaim, rested[i] as KnownClaim];
      if (releasedAt(a) <= releasedAt(b)) break;
      rested[i - 1] = b;
      rested[i] = a;
    }
  }

  return {
    take,
    note,
    giveBack({ ip, at, before }) {
      if (at === "absent") {
        out.delete(ip);
        back.push(ip);
      } else note(ip, { ip, revision: at, ...(before && { claim: before }) });
    },
    known: (ip) => known.get(ip),
    all: () => known.values(),
    add(prefix, claims) {
      for (const claim of claims) note(claim.ip, claim);
      untried.push(addressesOf(prefix, seed));
    },
  };
}

function releasedAt({ claim }: KnownClaim): number {
  return claim?.state === "resting" ? claim.releasedAt : 0;
}

function* addressesOf(prefix: Cidr, seed: number): Generator<Ip> {
  const first = toNumber(firstOf(prefix));
  const size = sizeOf(prefix);
  for (let n = 0; n < size; n++) yield fromNumber(first + ((seed + n) % size));
}
