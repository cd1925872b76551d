import type { Planned } from "./engine.ts";
import { placeOf, stepOf } from "./order.ts";
import type { State } from "./state.ts";
import { type Entry, isRight, observed } from "./table.ts";
import { wishedRow } from "./wishes.ts";

/** What would be done now, in order. Looks at every row: asked by people, not by rounds. */
export function plan(state: State): Planned[] {
  const entries = [...state.table.entries()].filter((entry) => entry.flight === "none" && !isRight(entry));
  const makes = entries.filter(({ wish }) => wish).sort(byTurn);
  const breaks = entries.filter(({ wish }) => !wish).sort((a, b) => byTurn(b, a));
  return [...makes, ...breaks].flatMap((entry) => planned(state, entry));
}

function byTurn(a: Entry, b: Entry): number {
  return stepOf(a) - stepOf(b) || placeOf(a) - placeOf(b);
}

function planned(state: State, entry: Entry): Planned[] {
  const { found } = entry;
  const row = wishedRow(entry);
  const reason = holdOf(state, entry);
  const held = reason === undefined ? {} : { held: reason };
  if (row) return [found === undefined ? { verb: "add", row, ...held } : { verb: "replace", row, was: found, ...held }];
  return found === undefined ? [] : [{ verb: "remove", row: observed(entry, found), ...held }];
}

function holdOf(state: State, entry: Entry): string | undefined {
  const { scope, list } = entry.partition;
  if (state.brake.held.has(entry)) return `held until released: ${state.brake.why}`;
  const trouble = state.troubles.get(entry);
  if (trouble) {
    const seconds = Math.max(0, trouble.retryAt - state.clock.now()) / 1000;
    return `tried again in ${seconds.toFixed(1)} s: ${trouble.failure.code}: ${trouble.failure.message}`;
  }
  if (state.stalled.has(scope)) return `${scope} does not answer`;
  return list.state === "done" ? undefined : `${scope} is not listed yet`;
}
