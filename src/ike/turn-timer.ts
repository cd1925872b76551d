/** When something fails, charon's words on it come within milliseconds after the event. */
export const settleMs = 20;
/** When there is a turn: soon after something happened, when one is due, and once in a while. One at a time. */
export class TurnTimer {
  readonly #turn: () => Promise<number>;
  readonly #pollMs: number;
  readonly #onPoll: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at = Number.POSITIVE_INFINITY;
  #poll: NodeJS.Timeout | undefined;
  #isOpen = false;
  #isRunning = false;

  /** A turn answers when the next is due, on the scale of performance.now(). */
  constructor(turn: () => Promise<number>, pollMs: number, onPoll: () => void) {
    this.#turn = turn;
    this.#pollMs = pollMs;
    this.#onPoll = onPoll;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    this.#isOpen = true;
    clearInterval(this.#poll);
    this.#poll = setInterval(() => {
      this.#onPoll();
      this.within(0);
    }, this.#pollMs);
    this.#arm(performance.now());
  }

  close(): void {
    this.#isOpen = false;
    clearInterval(this.#poll);
    this.#disarm();
  }

  within(ms: number): void {
    this.#arm(performance.now() + ms);
  }

  /** Never later than what is armed already, so that one event after the other does not put it off for ever. */
  #arm(at: number): void {
    if (!this.#isOpen || at >= this.#at) return;
    this.#at = at;
    if (this.#isRunning) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, at - performance.now()));
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#at = Number.POSITIVE_INFINITY;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#disarm();
    this.#isRunning = true;
    try {
      const again = await this.#turn();
      const asked = this.#at;
      this.#isRunning = false;
      this.#at = Number.POSITIVE_INFINITY;
      this.#arm(Math.min(asked, again));
    } finally {
      this.#isRunning = false;
    }
  }
}
