import type { ZoneNews } from "./facts.ts";

/** News on its way to the thread that answers, in order. */
export interface Paced {
  /** At once, and all that waits before it: answers know of it from here on. */
  now(news: readonly ZoneNews[]): void;
  /** One piece of news each millisecond, so that questions are answered in between. */
  inTurn(news: Iterable<ZoneNews>): void;
  /** What waits is told no more. */
  stop(): void;
}

const pauseMs = 1;

/**
 * What is taken away or changed must be known before the kernel is told. What is only there from now on need not: nothing
 * that is answered meanwhile was false a moment ago. So a thousand new names are told bit by bit, for the thread takes in
 * what it is told as a whole, and with that whatever comes meanwhile: no question is heard before it has caught up.
 */
export function createPaced(post: (news: readonly ZoneNews[]) => void): Paced {
  const waiting: ZoneNews[] = [];
  let turn: NodeJS.Timeout | undefined;

  function next(): void {
    turn = undefined;
    const news = waiting.shift();
    if (news === undefined) return;
    post([news]);
    if (waiting.length > 0) turn = setTimeout(next, pauseMs);
  }

  return {
    now(news) {
      const all = [...waiting.splice(0), ...news];
      if (all.length > 0) post(all);
    },
    inTurn(news) {
      waiting.push(...news);
      if (turn === undefined) next();
    },
    stop() {
      waiting.length = 0;
      clearTimeout(turn);
      turn = undefined;
    },
  };
}
