/** Finds out whether a stream that says nothing has nothing to say. */
export interface Liveness {
  /** The stream said something. */
  heard(): void;
  stop(): void;
}

export interface LivenessOptions {
  /** After so many milliseconds of silence it is asked, */
  quietMs: number;
  /** and after so many more without an answer it is in doubt. */
  answerMs: number;
  ask(): void;
  doubt(): void;
}

/** Begins as if asked just now: the first answer is due. One timer runs at a time, and `heard` touches none. */
export function liveness({ quietMs, answerMs, ask, doubt }: LivenessOptions): Liveness {
  let heardAt = performance.now();
  let asked = true;
  let timer = setTimeout(look, answerMs);

  function look(): void {
    if (asked) {
      doubt();
      return;
    }
    const rest = heardAt + quietMs - performance.now();
    if (rest > 0) {
      timer = setTimeout(look, rest);
      return;
    }
    asked = true;
    timer = setTimeout(look, answerMs);
    ask();
  }

  return {
    heard() {
      heardAt = performance.now();
      if (!asked) return;
      asked = false;
      clearTimeout(timer);
      timer = setTimeout(look, quietMs);
    },
    stop: () => clearTimeout(timer),
  };
}
