import { type Kind, kinds, mark, type Scope } from "../desired/rows.ts";
import type { Entry, Value } from "./table.ts";

export const ranks = Object.fromEntries(kinds.map((kind, rank) => [kind, rank])) as Record<Kind, number>;

/**
 * When a row's turn is: adds and replaces go up the steps, removals come down after them, so that nothing is broken
 * before what replaces it is made. Scopes take a step side by side; so the far ends of pairs, which are made in another
 * scope with their near ends, have one of their own.
 */
export function stepOf(entry: Entry): number {
  const { kind } = entry.partition;
  const value = known(entry);
  const isFarEnd = kind === "link" && value !== undefined && "type" in value && value.type === "veth-peer";
  return 2 * ranks[kind] + (isFarEnd ? 1 : 0);
}

/**
 * Steps up (`sign` 1) or down (-1); those in one turn are handed over one behind the other without waiting in between.
 * Drivers of one kernel do their work in the order they are asked, so a route still follows its neighbour; and each wait
 * costs a way to the Worker and back: 0.3 ms where both threads were asleep, four times for a new host.
 */
export function turnsOf(entries: Entry[], sign: 1 | -1): Entry[][][] {
  const steps = [...Map.groupBy(entries, stepOf)].sort(([a], [b]) => sign * (a - b));
  const turns: Entry[][][] = [];
  let isOpen = false;
  for (const [, step] of steps) {
    if (step.length > 1) step.sort((a, b) => sign * (placeOf(a) - placeOf(b)));
    const goesOn = step.every(({ partition }) => !awaited.has(partition.kind));
    if (isOpen && goesOn) turns.at(-1)?.push(step);
    else turns.push([step]);
    isOpen = goesOn;
  }
  return turns;
}

/** Kinds whose outcome others must know: whether their scope or device is there and what its index is, or a sysctl set. */
const awaited: ReadonlySet<Kind> = new Set(["namespace", "link", "sysctl"]);

/** Whose turn is first within a batch: ports name their bridge, children their connection, chains their sets and what they jump to. */
export function placeOf(entry: Entry): number {
  const value = known(entry);
  if (value === undefined) return 0;
  if ("type" in value && (value.type === "bridge" || value.type === "connection")) return 0;
  if (!("object" in value)) return 1;
  if (value.object === "chain") return value.hook ? 2 : 1;
  return value.object === "set" ? 0 : 3;
}

/** Whether the row is made after the other, and so may need it. */
export function comesAfter(entry: Entry, other: Entry): boolean {
  const steps = stepOf(entry) - stepOf(other);
  return steps > 0 || (steps === 0 && placeOf(entry) > placeOf(other));
}

/** The scopes whose rows may go through once this row is there. */
export function opens(entry: Entry): Scope[] {
  const { kind, scope } = entry.partition;
  const value = known(entry);
  if (kind === "namespace") return [scope, insideOf(entry.key)];
  if (value !== undefined && "peer" in value) return [scope, value.peer.scope];
  return [scope];
}

/** The scope of a network's namespace, by the namespace's name. */
export function insideOf(namespace: string): Scope {
  return `net:${namespace.slice(mark.namespace.length)}`;
}

function known(entry: Entry): Value | undefined {
  return entry.wish?.value ?? entry.found;
}
