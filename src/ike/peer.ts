import { type ChildSa, type IkeSa, isLive, isUp } from "./sa.ts";

/** A peer as it is to be, and as charon has it now. */
export interface Peer {
  conn: string;
  /** Whether this host's name is the lower of the two: it begins, and it settles. */
  isLower: boolean;
  /** Children that charon was told of; none where it was not told of the connection. */
  wanted: readonly string[];
  sas: readonly IkeSa[];
  /** How long ago a key was last taken from it; absent where none was since charon knows of it. */
  revokedMs?: number | undefined;
  /** How long ago charon was told the connection as it is; absent where that is not known. */
  toldMs?: number | undefined;
  /** Whether charon was told by something else than this version of ours, and what it was told is about to be replaced. */
  isStrange?: boolean;
}

/** Packets that have come by a CHILD_SA, and when that was seen: the first look at it, the first packet, the last. */
export interface Heard {
  packets: number;
  seenAt: number;
  firstAt?: number;
  lastAt: number;
}

/** How attempts have gone, since the last that went well. */
export interface Failing {
  attempt: number;
  why: string;
  nextAt: number;
}

/** What of a peer charon does not say. Times are of performance.now(). */
export interface Memory {
  /** When IKE_SAs came to be: charon counts in seconds, which does not tell which of two was first. */
  readonly established: Map<string, number>;
  /**
   * IKE_SAs made before the connection was told anew. charon keeps each with what it was told when it was made: no new
   * child can be had on them.
   */
  readonly stale: Set<string>;
  /** Since when stale ones are to be followed by a new one; undefined while they may stay as long as they do. */
  renewSince: number | undefined;
  /** Since when a key by which stale ones may have been made is the peer's no more. */
  revokeSince: number | undefined;
  /** Since when a wanted child is not up. */
  readonly downSince: Map<string, number>;
  /** The CHILD_SA that was last seen to carry a child. */
  readonly up: Map<string, string>;
  /** CHILD_SAs that this host began: the peer had its end of each before charon had ours. */
  readonly made: Set<string>;
  /** What has come by CHILD_SAs: whether the peer sends by them. */
  readonly heard: Map<string, Heard>;
  /** CHILD_SAs that were to be followed by new ones, and when that was tried. */
  readonly renewed: Map<string, number>;
  /** Children of which somebody wished new keys, and when. */
  readonly wishes: Map<string, number>;
  /** CHILD_SAs that the kernel does not have any more, and when they were asked to be made anew. */
  readonly lost: Map<string, number | undefined>;
  /** When CHILD_SAs came to be, as first seen. */
  readonly installed: Map<string, number>;
  /** CHILD_SAs by which packets leave rather than by a newer one, and since when. */
  readonly preferred: Map<string, number>;
  /** CHILD_SAs by which no packets leave any more, since others are in place; they are about to be ended. */
  readonly left: Set<string>;
  /** What charon was asked to end, as `ike <id>` or `child <id>`, and when. */
  readonly asked: Map<string, number>;
  /** CHILD_SAs made before their child was told anew: they keep what it was. */
  readonly outdated: Set<string>;
  /** Since when children are not wanted, by name, `""` for the whole peer. */
  readonly strays: Map<string, number>;
  /** By child; `""` for the peer itself, where no IKE_SA came to be. */
  readonly failing: Map<string, Failing>;
  /**
   * What this host has begun; `at` is absent while it waits for its turn among all peers' attempts. `instead` as in Step,
   * `known` are the CHILD_SAs that there were before. From `answeredAt` on there is something to be seen of it: charon has
   * taken it up.
   */
  attempt:
    | { child: string; at?: number; answeredAt?: number; instead?: string; known?: ReadonlySet<string> }
    | undefined;
  /** Since when there have been two of one thing; the key is a child's name, or "" for the IKE_SA. */
  readonly doubleSince: Map<string, number>;
}

/**
 * How long SAs of what charon was not told stay, where it is not we who took it from charon: what somebody else takes
 * away by mistake is told anew within a minute, and need not be interrupted.
 */
export const strayMs = 90_000;

export function newMemory(): Memory {
  return {
    established: new Map(),
    stale: new Set(),
    renewSince: undefined,
    revokeSince: undefined,
    downSince: new Map(),
    up: new Map(),
    made: new Set(),
    heard: new Map(),
    renewed: new Map(),
    wishes: new Map(),
    lost: new Map(),
    installed: new Map(),
    preferred: new Map(),
    left: new Set(),
    asked: new Map(),
    outdated: new Set(),
    strays: new Map(),
    failing: new Map(),
    attempt: undefined,
    doubleSince: new Map(),
  };
}

/** IKE_SAs that carry children, the newest first; without children by which no packets leave any more. */
export function liveOf({ sas }: Peer, { established, left }: Memory): IkeSa[] {
  const at = ({ id }: IkeSa) => established.get(id) ?? 0;
  const live = sas.filter(isLive).map((sa) => ({ ...sa, children: sa.children.filter(({ id }) => !left.has(id)) }));
  return live.toSorted((a, b) => at(b) - at(a) || Number(b.id) - Number(a.id));
}

/** What children should be on: IKE_SAs that are not stale where there are any or must be, else all. */
export function targetOf(peer: Peer, memory: Memory): IkeSa[] {
  const live = liveOf(peer, memory);
  const fresh = live.filter(({ id }) => !memory.stale.has(id));
  return fresh.length > 0 || memory.renewSince !== undefined ? fresh : live;
}

/** The newest SA that carries the child; undefined where packets cannot pass. */
export function upOn(sas: readonly IkeSa[], child: string): ChildSa | undefined {
  for (const { children } of sas) {
    const found = children.filter((each) => each.name === child && isUp(each));
    if (found.length > 0) return found.toSorted((a, b) => Number(b.id) - Number(a.id))[0];
  }
  return undefined;
}

/** Whether something that this host has begun is still under way. */
export function isUnderway({ sas }: Peer): boolean {
  return sas.some((sa) => isConnecting(sa) || (isLive(sa) && sa.isMaking));
}

export function isConnecting({ state, initiator }: IkeSa): boolean {
  return initiator && (state === "CONNECTING" || state === "CREATED");
}
