import type { Clock } from "./clock.ts";
import type { EngineEvent } from "./event.ts";
import type { Entry } from "./table.ts";

/** A handful of removals is never held: a host with one small network must be able to leave it. */
export const defaultFloor = 10;

/** A doubt that no wish has followed in this many ms was groundless; or next year's deletion would be held for it. */
const doubtLasts = 60_000;

/**
 * Holds removals that look like lost records rather than like somebody's wish: many at once, more than half of all we
 * hold, at a time when records may have been lost unseen (a start, a relist, a revision gone back). They are judged in
 * one: what an emptied etcd takes away comes keyspace by keyspace, and the first may be a handful of rows.
 */
export class Brake {
  readonly held = new Set<Entry>();
  /** More of the world is still to come. */
  isPartial = false;
  readonly #floor: number;
  readonly #clock: Clock;
  readonly #tell: (event: EngineEvent) => void;
  #doubt: { why: string; at: number; isWished: boolean } | undefined;
  #braked = 0;

  constructor(floor: number, clock: Clock, tell: (event: EngineEvent) => void) {
    this.#floor = floor;
    this.#clock = clock;
    this.#tell = tell;
  }

  get why(): string {
    return this.#doubt?.why ?? "";
  }

  /** `isWished`: the wishes in doubt are in already; else those of the next round are meant. */
  doubt(why: string, isWished: boolean): void {
    this.#doubt = { why, at: this.#clock.now(), isWished };
  }

  wished(): void {
    const doubt = this.#doubt;
    if (doubt === undefined || doubt.isWished) return;
    if (this.held.size === 0 && this.#clock.now() - doubt.at > doubtLasts) this.#doubt = undefined;
    else doubt.isWished = true;
  }

  /** Which removals of a round may go, those held before included; `found` counts all rows of ours. */
  pass(removals: Entry[], found: number): Entry[] {
    if (!this.#doubt) return removals;
    for (const entry of removals) this.held.add(entry);
    if (this.isPartial) return [];
    if (this.#exceeds(found)) {
      if (this.held.size > this.#braked)
        this.#tell({ type: "braked", removals: this.held.size, rows: found, why: this.#doubt.why });
      this.#braked = this.held.size;
      return [];
    }
    if (this.#doubt.isWished) this.#doubt = undefined;
    return this.#empty();
  }

  /** Ends the doubt; answers what was held. */
  release(): Entry[] {
    this.#doubt = undefined;
    return this.#empty();
  }

  /** Once pulled, it stays until all is wished again or let go: records may come back keyspace by keyspace. */
  #exceeds(found: number): boolean {
    const { size } = this.held;
    return this.#braked > 0 ? size > 0 : size >= this.#floor && size * 2 > found;
  }

  #empty(): Entry[] {
    const held = [...this.held];
    this.held.clear();
    this.#braked = 0;
    return held;
  }
}
