import { loadLibc } from "../kernel/libc.ts";

/** Whether the thread goes before all others of the host, as long as that costs them little. */
export interface Precedence {
  /** Looks at what the thread has used; call it with each piece of work. */
  review(): void;
}

export interface PrecedenceOptions {
  /** Makes this thread go first, or take its turn with the others. @returns whether that may be done */
  set(first: boolean): boolean;
  /** Milliseconds, of any beginning. */
  now(): number;
  /** Milliseconds that the thread has had of a processor. */
  used(): number;
}

/** Milliseconds between two looks. */
const windowMs = 200;
/** Of one processor. A thread that goes first and never sleeps would leave others nothing of it, and anybody can ask for names without end. */
const mostUse = 0.5;

export function createPrecedence({ set, now, used }: PrecedenceOptions): Precedence {
  let isFirst = set(true);
  const isAllowed = isFirst;
  let looked = now();
  let before = used();
  return {
    review() {
      const at = now();
      if (!isAllowed || at - looked < windowMs) return;
      const after = used();
      const wanted = after - before <= mostUse * (at - looked);
      looked = at;
      before = after;
      if (wanted !== isFirst && set(wanted)) isFirst = wanted;
    },
  };
}

const [SCHED_OTHER, SCHED_RR, SCHED_RESET_ON_FORK] = [0, 2, 0x40000000];

/**
 * Makes the thread that calls go before all others of the host, or take its turn with them again; what it starts does not
 * inherit it. A nice value is not enough: it counts only among threads of one scheduling group, and a group that has had
 * its share, as the agent's has while it applies thousands of rows, waits for its turn with all that is in it.
 *
 * @returns whether that may be done
 */
export function threadPrecedence(): (first: boolean) => boolean {
  const { sched_setscheduler } = loadLibc();
  return (first) =>
    sched_setscheduler(0, first ? SCHED_RR | SCHED_RESET_ON_FORK : SCHED_OTHER, Int32Array.of(first ? 1 : 0)) === 0;
}

/** Of the thread that calls. */
export function ownPrecedence(): Precedence {
  return createPrecedence({
    set: threadPrecedence(),
    now: () => performance.now(),
    used() {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    },
  });
}
