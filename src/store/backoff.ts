import { setTimeout as delay } from "node:timers/promises";

/** Pauses between tries, doubling from `firstMs` to `mostMs`, each cut by up to half so that hosts do not come back in step. */
export class Backoff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  #tries = 0;

  constructor(firstMs: number, mostMs: number) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
  }

  /** Something succeeded: the next pause is the first again. */
  reset(): void {
    this.#tries = 0;
  }

  async pause(signal: AbortSignal): Promise<void> {
    const most = Math.min(this.#mostMs, this.#firstMs * 2 ** this.#tries++);
    await pause(most * (0.5 + Math.random() / 2), signal);
  }
}

/** Ends early, without an error, when aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
