import type { Ip } from "../model/address.ts";
import type { ChildSa, IkeSa } from "./sa.ts";

/** The one of a CHILD_SA's two SAs by which packets leave, as the kernel names it, and what has left by it. */
export interface Outgoing {
  src: Ip;
  dst: Ip;
  spi: number;
  bytes: number;
  packets: number;
}

/**
 * By which SA packets leave, where several could take them: policies name a reqid, which an SA shares with the one that
 * replaces it. Left to itself the kernel takes the newest at once, though the peer, if it began, has the other end of it
 * only once it has our answer: what leaves meanwhile is lost. charon counts on its own policies to wait, and has none here.
 *
 * Of an SA that is gone nothing is asked any more, and no error made.
 */
export interface Choice {
  /** From now on by this one, whichever was preferred before; and by this one still when another is made. */
  prefer(sa: Outgoing): Promise<void>;
  /** By this one no more. */
  leave(sa: Outgoing): Promise<void>;
}

export function outgoingOf({ local, remote }: IkeSa, { spiOut, bytesOut, packetsOut }: ChildSa): Outgoing {
  const spi = Number.parseInt(spiOut, 16);
  return { src: hostOf(local), dst: hostOf(remote), spi, bytes: bytesOut, packets: packetsOut };
}

export function hostOf(end: string): Ip {
  return end.slice(0, end.lastIndexOf(":")) as Ip;
}
