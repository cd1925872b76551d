import { type Nft, nftKey, type Row, type Scope } from "./rows.ts";

export interface Hook {
  type: "filter" | "nat";
  hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  priority: number;
}

/** A base chain of the `inet` family. */
export function chain(
  kind: "guard" | "translation",
  scope: Scope,
  name: string,
  hook: Hook,
  rules: string[],
  because: Row["because"],
): Row {
  const value: Nft = { object: "chain", family: "inet", name, hook: { ...hook, policy: "accept" }, rules };
  return { kind, scope, key: nftKey(value), value, because };
}

/** Of the host's own namespace, a little before the host's own rules, which have the last word. */
export function hostGuard(
  name: string,
  hook: "input" | "forward" | "output",
  rules: string[],
  because: Row["because"],
): Row {
  return chain("guard", "host", name, { type: "filter", hook, priority: -10 }, rules, because);
}

/**
 * Where addresses are translated, of us or of others, the kernel tracks the connections of all that passes. For what is
 * never translated that costs each packet time, and each connection a place in a table which, when it is full, drops.
 */
export function untracked(
  scope: Scope,
  name: string,
  hook: "prerouting" | "output",
  match: string,
  because: Row["because"],
): Row {
  // Connections are tracked from -200 on.
  return chain("translation", scope, name, { type: "filter", hook, priority: -300 }, [`${match} notrack`], because);
}
