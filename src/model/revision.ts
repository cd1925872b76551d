import type { Brand } from "./address.ts";

/**
 * A revision of etcd's store, in decimal without leading zeros. Text, since that is how the wire's int64 arrives and how
 * events and status print it; a number would round beyond 2^53.
 */
export type Revision = Brand<"Revision">;

/** An int64 that is not negative: 9223372036854775807 has 19 digits. */
const canonical = /^(?:0|[1-9]\d{0,18})$/;

export function isRevision(text: string): text is Revision {
  return canonical.test(text);
}

/** @throws RangeError when `text` is no canonical revision. */
export function revision(text: string): Revision {
  if (!isRevision(text)) throw new RangeError(`Cannot read revision: expected a decimal such as 1042, got "${text}"`);
  return text;
}

/** Below zero when `a` is older than `b`. Text of equal length sorts like its number. */
export function compareRevisions(a: Revision, b: Revision): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function laterOf(a: Revision, b: Revision): Revision {
  return compareRevisions(a, b) < 0 ? b : a;
}

/** The next revision: where a watch that has seen `seen` goes on. */
export function revisionAfter(seen: Revision): Revision {
  return String(BigInt(seen) + 1n) as Revision;
}

export function earlierOf(a: Revision, b: Revision): Revision {
  return compareRevisions(a, b) < 0 ? a : b;
}
