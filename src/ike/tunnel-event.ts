/** What happens to tunnels, for people. `peer` is a host's name, `child` a child's as in its row's key: `child-blue`. */
export type TunnelEvent =
  /** Packets can pass. `ms` since it was wished, or since it was last up. */
  | { type: "tunnel-up"; peer: string; child: string; cipher: string; ms: number }
  /** They cannot any more; `why` is charon's word for it, where it had one. */
  | { type: "tunnel-down"; peer: string; child: string; why: string }
  /** It has another CHILD_SA than before, without having been down. */
  | { type: "tunnel-rekeyed"; peer: string; child: string; cipher: string }
  /** It was to have new keys, and goes on with those that it has: charon makes new ones itself before their time is over. */
  | { type: "tunnel-rekey-failed"; peer: string; child: string; why: string }
  /** Of one peer at attempts 1, 2, 4, 8..., while the reason stays the same. `nextMs` until it is tried again. */
  | { type: "tunnel-retrying"; peer: string; child: string; attempt: number; nextMs: number; why: string }
  /** Both sides began at once, or a peer began anew: the newest IKE_SA stays, `ended` others go. */
  | { type: "tunnel-duplicate"; peer: string; ended: number }
  /** Somebody else took its SA from the kernel; a new one is made at once. */
  | { type: "tunnel-lost"; peer: string; child: string }
  /** What stands stays up; nothing can be changed. Told again where the reason is another. */
  | { type: "charon-away"; why: string }
  /** `awayMs` is 0 where charon was there when the agent first looked. */
  | { type: "charon-back"; version: string; awayMs: number };
