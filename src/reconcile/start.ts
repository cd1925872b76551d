import { kinds, type Row, type Scope } from "../desired/rows.ts";
import { leastPause } from "./backoff.ts";
import { Brake, defaultFloor } from "./brake.ts";
import { systemClock } from "./clock.ts";
import { Contests } from "./contests.ts";
import { take } from "./drift.ts";
import type { Engine, EngineOptions, FailedRow, Planned, UnitId } from "./engine.ts";
import type { Cause } from "./event.ts";
import type { Driver, Drivers } from "./kind.ts";
import { Loop } from "./loop.ts";
import { plan } from "./plan.ts";
import { hasWork, round } from "./round.ts";
import type { State } from "./state.ts";
import { sweep } from "./sweep.ts";
import { type Entry, observed, Table, type Value } from "./table.ts";
import { Troubles } from "./troubles.ts";
import { unitsOf, Wishes, wishedRow } from "./wishes.ts";

/** A netlink batch takes milliseconds, the RTNL lock 265 ms at worst; what takes this long may take for ever. */
const defaultPatience = 5_000;

/** 100,000 rows take some 50 ms to list and compare, so a sweep a minute costs a thousandth of a core. */
const defaultSweep = 60_000;

/** How often `clear` tries again what would not go. */
const clearAttempts = 5;

export function createEngine(options: EngineOptions): Engine {
  return new Reconciler(options);
}

class Reconciler implements Engine {
  readonly #drivers: Drivers;
  readonly #state: State;
  readonly #loop: Loop;
  readonly #begun = Promise.withResolvers<void>();
  readonly #sweepMs: number;
  #subscriptions: { unsubscribe(): void }[] = [];
  #endSweep = (): void => {};
  #isLeaving = false;

  constructor({ drivers, tell, ...options }: EngineOptions) {
    const {
      clock = systemClock,
      sweepMs = defaultSweep,
      random = Math.random,
      brakeFloor = defaultFloor,
      patienceMs = defaultPatience,
    } = options;
    const table = new Table(drivers);
    const retry = (entry: Entry) => {
      table.dirty.add(entry);
      this.#loop.wake();
    };
    this.#drivers = drivers;
    this.#sweepMs = sweepMs;
    this.#state = {
      table,
      wishes: new Wishes(table, tell),
      troubles: new Troubles(clock, random, retry),
      contests: new Contests(),
      brake: new Brake(brakeFloor, clock, tell),
      clock,
      random,
      patienceMs,
      tell,
      wake: () => this.#loop.wake(),
      mode: "waiting",
      stalled: new Map(),
      unlisted: new Map(),
      upheavals: new Map(),
      stirred: new Set(),
      giveUp: undefined,
      series: undefined,
    };
    const loop = new Loop(
      () => hasWork(this.#state),
      () => round(this.#state),
    );
    this.#loop = loop;
  }

  wish(unit: UnitId, rows: readonly Row[], cause: Cause): void {
    if (this.#isLeaving) return;
    const { brake, table, troubles, wishes } = this.#state;
    brake.wished();
    for (const entry of wishes.set(unit, rows, cause)) {
      troubles.clear(entry);
      table.dirty.add(entry);
    }
    this.#loop.wake();
  }

  async observe(scopes: readonly Scope[]): Promise<void> {
    const { mode } = this.#state;
    if (mode === "waiting" || mode === "observing") this.#begin("observing", scopes, "observe");
    await this.settled();
  }

  async start(scopes: readonly Scope[]): Promise<void> {
    const { brake, clock, mode } = this.#state;
    if (mode === "waiting" || mode === "observing") {
      // etcd may have been emptied while nobody watched.
      brake.doubt("start", true);
      this.#state.series = { begun: clock.now(), writes: 0, isNews: true };
      this.#begin("converging", scopes, "start");
    }
    await this.settled();
  }

  doubt(why: string): void {
    this.#state.brake.doubt(why, false);
  }

  partial(isPartial: boolean): void {
    const { brake, table } = this.#state;
    brake.isPartial = isPartial;
    if (isPartial) return;
    for (const entry of brake.held) table.dirty.add(entry);
    this.#loop.wake();
  }

  braked(): { removals: number; rows: number; why: string } | undefined {
    const { brake, table } = this.#state;
    return brake.held.size === 0 ? undefined : { removals: brake.held.size, rows: table.found, why: brake.why };
  }

  release(): number {
    const { brake, clock, table, tell } = this.#state;
    const cause: Cause = { key: "release", at: clock.now() };
    const held = brake.release();
    for (const entry of held) {
      entry.cause = cause;
      table.dirty.add(entry);
    }
    if (held.length > 0) tell({ type: "released", removals: held.length });
    this.#loop.wake();
    return held.length;
  }

  plan(): Planned[] {
    return plan(this.#state);
  }

  *rows(): Generator<{ row: Row; units: readonly UnitId[] }> {
    for (const entry of this.#state.table.entries()) {
      const row = wishedRow(entry);
      if (row) yield { row, units: unitsOf(entry) };
    }
  }

  failures(): FailedRow[] {
    return [...this.#state.troubles.entries()].map(([entry, { failure, attempt, retryAt }]) => {
      const row = wishedRow(entry) ?? observed(entry, entry.found as Value);
      return { row, units: unitsOf(entry), failure, attempt, retryAt };
    });
  }

  async settled(): Promise<void> {
    await this.#begun.promise;
    await this.#loop.idle();
  }

  async clear(): Promise<void> {
    const { clock, brake, table, troubles, wishes } = this.#state;
    const cause: Cause = { key: "leave", at: clock.now() };
    for (const unit of wishes.units()) this.wish(unit, [], cause);
    this.#isLeaving = true;
    brake.release();
    for (const entry of table.entries()) {
      entry.cause = cause;
      table.dirty.add(entry);
    }
    this.#begin("converging", [], "leave");
    await this.settled();
    for (let attempt = 1; attempt < clearAttempts && troubles.size > 0; attempt++) {
      await new Promise<void>((resolve) => clock.later(leastPause * 2 ** attempt, resolve));
      for (const [entry, trouble] of troubles.entries()) troubles.wake(entry, trouble);
      await this.settled();
    }
    await this.stop();
  }

  async stop(): Promise<void> {
    const state = this.#state;
    state.mode = "stopped";
    state.troubles.stop();
    for (const { cancel } of state.unlisted.values()) cancel();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
    this.#endSweep();
    state.giveUp?.();
    this.#begun.resolve();
    await this.#loop.idle();
  }

  #begin(mode: "observing" | "converging", scopes: readonly Scope[], why: string): void {
    const { table } = this.#state;
    const isFirst = this.#state.mode === "waiting";
    this.#state.mode = mode;
    if (isFirst) {
      this.#follow();
      this.#endSweep = sweep(this.#state, this.#sweepMs);
    }
    for (const scope of scopes) for (const kind of kinds) table.partition(kind, scope);
    // Elsewhere only kinds that are wished: nine lists for each container would cost more than all the rest.
    for (const scope of table.scopes())
      for (const partition of table.partitions(scope))
        if (mode === "observing" || partition.list.state === "never") table.stale.set(partition, { why });
    this.#begun.resolve();
    this.#loop.wake();
  }

  #follow(): void {
    // Drivers of one kernel may share a stream; each notice is to be heard once.
    const drivers: Driver[] = kinds.map((kind) => this.#drivers[kind]);
    const streams = new Set(drivers.map(({ notices$ }) => notices$));
    this.#subscriptions = [...streams].map((stream) => stream.subscribe((notice) => take(this.#state, notice)));
  }
}
