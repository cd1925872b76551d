import type { Scope } from "../desired/rows.ts";
import { backoff } from "./backoff.ts";
import { see } from "./drift.ts";
import type { Cause } from "./event.ts";
import type { Observed } from "./kind.ts";
import { isListable, patiently, type State, unpark } from "./state.ts";
import { routine } from "./sweep.ts";
import type { Entry, Partition, Staleness } from "./table.ts";

/** A partition to look at; `keys` where only these rows of it matter. */
interface Look extends Staleness {
  partition: Partition;
  keys?: string[];
}

/** Lists what must be listed before the next write, all at once. */
export async function look(state: State): Promise<void> {
  const looks = dueLooks(state);
  if (looks.length === 0) return;
  const begun = state.clock.now();
  const scopes = Map.groupBy(looks, ({ partition }) => partition.scope);
  const isDone = await patiently(state, Promise.all([...scopes].map((scope) => lookInto(state, ...scope))));
  if (isDone || state.mode === "stopped") return;
  for (const { partition } of looks)
    if (partition.list.state === "underway") {
      const { kind, scope } = partition;
      state.tell({ type: "stalled", kind, scope, rows: 0, ms: state.clock.now() - begun });
    }
}

function dueLooks(state: State): Look[] {
  const { dirty, stale } = state.table;
  const looks = new Map<Partition, Look>();
  for (const [partition, staleness] of stale) {
    if (!isListable(state, partition)) continue;
    stale.delete(partition);
    looks.set(partition, { partition, ...staleness });
  }
  for (const entry of dirty) {
    const { partition } = entry;
    if (!isUnseen(entry) || partition.list.state !== "done" || !isListable(state, partition)) continue;
    const known = looks.get(partition);
    if (!known) looks.set(partition, { partition, why: "first wished", keys: [entry.key] });
    else known.keys?.push(entry.key);
  }
  return [...looks.values()];
}

/** Of a kind that lists nothing, so that what the kernel holds is not known. */
function isUnseen({ partition, wish, found, flight }: Entry): boolean {
  return partition.driver.read !== undefined && wish !== undefined && found === undefined && flight === "none";
}

async function lookInto(state: State, scope: Scope, looks: Look[]): Promise<void> {
  const begun = state.clock.now();
  const counts = await Promise.all(looks.map((each) => lookAt(state, each)));
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const whole = looks.find(({ keys, why }) => keys === undefined && why !== routine);
  if (whole) state.tell({ type: "relisted", why: whole.why, scope, rows, ms: state.clock.now() - begun });
  state.wake();
}

/** Answers how many rows there are. */
async function lookAt(state: State, look: Look): Promise<number> {
  const { partition, keys } = look;
  const before = partition.list;
  const heard = new Set<string>();
  partition.list = { state: "underway", heard };
  const rows = await ask(partition, keys).catch((error: unknown) => {
    partition.list = before;
    retryLater(state, look, error);
  });
  if (rows) {
    partition.list = { state: "done" };
    state.unlisted.get(partition)?.cancel();
    state.unlisted.delete(partition);
    if (before.state === "never") adopt(state, partition, rows, heard);
    else compare(state, look, rows, heard);
  }
  unpark(state, partition);
  return rows?.length ?? 0;
}

async function ask({ driver, entries, scope }: Partition, keys?: string[]): Promise<Observed[]> {
  if (!driver.read) return driver.list(scope);
  const wished = keys ?? [...entries.values()].filter(({ wish }) => wish).map(({ key }) => key);
  return wished.length === 0 ? [] : driver.read(scope, wished);
}

/** The first look: what is there was there before us, so nothing is drift. Notices heard since are newer than the list. */
function adopt(state: State, partition: Partition, rows: Observed[], heard: Set<string>): void {
  const { table, clock } = state;
  const cause: Cause = { key: "start", at: clock.now() };
  for (const { key, value } of rows) if (!heard.has(key)) table.find(table.entry(partition, key, cause), value);
  for (const entry of partition.entries.values()) table.dirty.add(entry);
}

function compare(state: State, { partition, keys, cause }: Look, rows: Observed[], heard: Set<string>): void {
  const { table, clock } = state;
  const sweep = table.nextSweep();
  const since = cause ?? ({ key: "drift", at: clock.now() } as const);
  for (const { key, value } of rows) {
    const entry = table.entry(partition, key, since);
    entry.sweep = sweep;
    if (!heard.has(key)) see(state, entry, value, cause);
  }
  for (const key of keys ?? partition.entries.keys()) {
    const entry = partition.entries.get(key);
    if (entry && entry.sweep !== sweep && !heard.has(key)) see(state, entry, undefined, cause);
  }
}

function retryLater(state: State, { partition, why }: Look, error: unknown): void {
  const { clock, random, table, unlisted } = state;
  const { kind, scope } = partition;
  const attempt = (unlisted.get(partition)?.attempt ?? 0) + 1;
  const retryMs = backoff("retry", attempt, random);
  unlisted.get(partition)?.cancel();
  const cancel = clock.later(retryMs, () => {
    if (table.peek(kind, scope) === partition) table.stale.set(partition, { why });
    state.wake();
  });
  unlisted.set(partition, { attempt, cancel });
  const message = error instanceof Error ? error.message : String(error);
  state.tell({ type: "unlisted", kind, scope, message, attempt, retryMs });
}
