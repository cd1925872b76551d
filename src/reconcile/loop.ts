/**
 * Runs rounds, one at a time, while there is work. A round reads the state as it is when it begins; what comes during
 * one is the next one's. A burst of wake-ups in one turn of the event loop is one round.
 */
export class Loop {
  readonly #hasWork: () => boolean;
  readonly #round: () => Promise<void>;
  #running = false;
  #waiting: (() => void)[] = [];

  constructor(hasWork: () => boolean, round: () => Promise<void>) {
    this.#hasWork = hasWork;
    this.#round = round;
  }

  wake(): void {
    if (this.#running || !this.#hasWork()) return;
    this.#running = true;
    queueMicrotask(() => void this.#run());
  }

  /** Resolves when there is no work, at once where there is none. */
  idle(): Promise<void> {
    if (!this.#running && !this.#hasWork()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #run(): Promise<void> {
    while (this.#hasWork()) await this.#round();
    this.#running = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
