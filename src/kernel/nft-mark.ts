import { createHash } from "node:crypto";

/** The two kinds of row that share our nftables tables. */
export type NftKind = "guard" | "translation";

/**
 * What the thread that writes is called. The kernel names the thread with each transaction, and only by that can our
 * own be told from others': its process id is that of the initial pid namespace, which we may not be in.
 */
export const writerName = `skein-${process.pid}`;

const commentText = /^skein (guard|translation)(?: ([0-9a-f]{16}))?$/;

/** The comment of a set: `skein guard`. */
export function setComment(kind: NftKind): string {
  return `skein ${kind}`;
}

/**
 * The comment of a rule: `skein guard 0123456789abcdef`. It holds a digest of the rule as it was wished, since nft prints
 * rules in its own words, which change with its version.
 */
export function ruleComment(kind: NftKind, rule: string): string {
  return `skein ${kind} ${digestOf(rule)}`;
}

/** What a comment says, or `undefined` where it is none of ours. */
export function readComment(comment: string | undefined): { kind: NftKind; digest?: string } | undefined {
  const [, kind, digest] = commentText.exec(comment ?? "") ?? [];
  if (kind !== "guard" && kind !== "translation") return undefined;
  return digest === undefined ? { kind } : { kind, digest };
}

/** A rule of ours as found, which only its digest proves: `#0123456789abcdef`. */
export function intactRule(digest: string): string {
  return `#${digest}`;
}

/** Whether a rule as found is the one wished; a rule as wished is itself. */
export function isRule(wish: string, found: string): boolean {
  return found === wish || found === intactRule(digestOf(wish));
}

function digestOf(rule: string): string {
  return createHash("sha256").update(rule).digest("hex").slice(0, 16);
}
