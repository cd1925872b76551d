/** Time as the engine sees it, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds, on the scale of performance.now(). */
  now(): number;
  /** Runs once after `ms`; the answer calls it off. */
  later(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  later(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
