/**
 * Lets one errand through at a time, the one of the lowest rank first, and of equal ranks the one that came first. A
 * thousand peers that do not answer, each tried again and again, must not stand before one that does.
 */
export class Turnstile {
  #waiting: { rank: number; errand: () => Promise<void> }[] = [];
  #isBusy = false;

  /** `errand` handles its own failures. */
  pass(rank: number, errand: () => Promise<void>): void {
    this.#waiting.push({ rank, errand });
    if (!this.#isBusy) void this.#run();
  }

  /** Those that wait are forgotten. */
  clear(): void {
    this.#waiting = [];
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#take(); next; next = this.#take()) await next();
    this.#isBusy = false;
  }

  #take(): (() => Promise<void>) | undefined {
    let at = 0;
    for (const [index, { rank }] of this.#waiting.entries()) if (rank < (this.#waiting[at]?.rank ?? 0)) at = index;
    return this.#waiting.splice(at, 1)[0]?.errand;
  }
}
