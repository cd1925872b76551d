/** How long things take; milliseconds, but what charon is told is in seconds. */
export interface Timings {
  /** Seconds between rekeyings of an IKE_SA. */
  ikeRekeyS: number;
  /** Seconds between rekeyings of a CHILD_SA. */
  childRekeyS: number;
  /** Seconds without a packet from the peer after which charon asks whether it is there. */
  dpdDelayS: number;
  /** How long the higher name waits for the lower to begin. */
  graceMs: number;
  /** An attempt that has led nowhere after this is ended and begun anew: charon's own retransmissions grow far apart. */
  attemptMs: number;
  /** Between attempts: doubles from the first to the last. */
  backoffMs: { first: number; most: number };
  /** How long two SAs for one thing may stand side by side before the lower name ends all but the newest. */
  duplicateMs: number;
  /**
   * How long, of two SAs for one thing, the older is kept while no packet shows that the peer sends by the newer: it may not
   * have it yet, for our answer was lost. Longer than charon tries to have one, see deploy/strongswan.conf.
   */
  quietMs: number;
  /** How long an IKE_SA that may not stay is kept while no other comes to be: a key may have been taken from the peer. */
  revokeMs: number;
  /** Every SA is looked at once in this many milliseconds, for what no event told of. */
  pollMs: number;
  /** Between tries to reach charon. */
  reconnectMs: { first: number; most: number };
  /** How long charon may be silent in a call. */
  patienceMs: number;
}

export const defaultTimings: Timings = {
  ikeRekeyS: 4 * 3600,
  childRekeyS: 3600,
  dpdDelayS: 10,
  graceMs: 10_000,
  attemptMs: 15_000,
  backoffMs: { first: 1_000, most: 30_000 },
  duplicateMs: 1_000,
  quietMs: 75_000,
  revokeMs: 100_000,
  pollMs: 30_000,
  reconnectMs: { first: 100, most: 2_000 },
  patienceMs: 2_000,
};
