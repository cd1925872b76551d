import { filter } from "rxjs";
import type { Kind, Row, Scope } from "../../src/desired/rows.ts";
import { kinds } from "../../src/desired/rows.ts";
import { type FakeKernel, fakeKernel } from "../../src/kernel/fake.ts";
import type { Engine, EngineOptions } from "../../src/reconcile/engine.ts";
import type { Cause, EngineEvent } from "../../src/reconcile/event.ts";
import type { Driver, Drivers, Failure, Operation } from "../../src/reconcile/kind.ts";
import { createEngine } from "../../src/reconcile/start.ts";
import { FakeClock } from "./fake-clock.ts";
import { type Scene, type Wish, wishes } from "./scene.ts";

/** An engine on a fake kernel, with time at a standstill and everything it says written down. */
export interface Rig {
  engine: Engine;
  kernel: FakeKernel;
  clock: FakeClock;
  events: EngineEvent[];
  wish(...wishes: Wish[]): void;
  /** All units of the scene. */
  wishAll(scene: Scene): void;
  /** Lets time pass until nothing is failing any more. */
  converge(): Promise<void>;
  /** Lets `ms` pass in small steps, settling at each. */
  pass(ms: number): Promise<void>;
  told<T extends EngineEvent["type"]>(type: T): Extract<EngineEvent, { type: T }>[];
}

export const scopes: Scope[] = ["host", "net:blue", "net:red"];

export function rig(options: Partial<EngineOptions> & { kernel?: FakeKernel } = {}): Rig {
  const { kernel = fakeKernel(), ...rest } = options;
  const clock = new FakeClock();
  const events: EngineEvent[] = [];
  const tell = (event: EngineEvent) => void events.push(event);
  const engine = createEngine({ drivers: kernel.drivers, tell, clock, random: () => 0.5, sweepMs: Infinity, ...rest });
  const told: Rig["told"] = (type) => events.filter((event) => event.type === type) as never;
  const wish: Rig["wish"] = (...wishes) => {
    for (const [unit, rows] of wishes) engine.wish(unit, rows, cause(clock, rows));
  };
  const wishAll = (scene: Scene) => wish(...wishes(scene));
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(Math.min(left, 50));
      await engine.settled();
    }
  };
  const converge = async () => {
    await engine.settled();
    for (let tries = 0; engine.failures().length > 0; tries++) {
      if (tries > 100) throw new Error(`Cannot converge: ${JSON.stringify(engine.failures(), null, 1)}`);
      const next = Math.min(...engine.failures().map(({ retryAt }) => retryAt));
      clock.advance(Math.max(10, next - clock.now() + 10));
      await engine.settled();
    }
  };
  return { engine, kernel, clock, events, wish, wishAll, converge, pass, told };
}

function cause(clock: FakeClock, rows: readonly Row[]): Cause {
  return { key: rows[0]?.because[0] ?? "start", revision: "7", at: clock.now() };
}

type Call = (scope: Scope, operations: readonly Operation[]) => Promise<(Failure | undefined)[]>;

/** The same drivers with `apply` under control. */
export function onApply(drivers: Drivers, around: (kind: Kind, call: Call) => Call): Drivers {
  const wrapped = kinds.map((kind) => {
    const driver: Driver = drivers[kind];
    const apply = around(kind, (scope, operations) => driver.apply(scope, operations));
    return [kind, { ...driver, apply }];
  });
  return Object.fromEntries(wrapped) as Drivers;
}

/** The same drivers, but nobody says what the kernel drops silently: the engine is on its own. */
export function withoutRelists(drivers: Drivers): Drivers {
  const wrapped = kinds.map((kind) => {
    const driver: Driver = drivers[kind];
    return [kind, { ...driver, notices$: driver.notices$.pipe(filter(({ type }) => type !== "relist")) }];
  });
  return Object.fromEntries(wrapped) as Drivers;
}

export const refused: Failure = { code: "ENOBUFS", message: "Cannot write: expected room, got none", next: "retry" };

/** Lets what is ready run, without waiting for the engine to settle. */
export async function breathe(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
