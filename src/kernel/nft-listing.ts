import { type Nft, nftKey } from "../desired/rows.ts";
import { intactRule, isRule, type NftKind, readComment } from "./nft-mark.ts";
import type { NftChain } from "./nft-text.ts";

/** An object of ours as nft lists it. */
export interface FoundNft {
  kind: NftKind;
  key: string;
  value: Nft;
  /** Of a chain: the kernel's handles of its rules, in order. A rule changed in place takes a new handle. */
  handles?: readonly number[];
}

/** What `nft -j list table` prints: the table, then its sets, chains and rules. */
interface Listing {
  nftables: readonly { set?: SetJson; chain?: ChainJson; rule?: RuleJson }[];
}

interface SetJson {
  family: Nft["family"];
  name: string;
  type: string | readonly string[];
  comment?: string;
  elem?: readonly unknown[];
}

interface ChainJson {
  family: Nft["family"];
  name: string;
  type?: "filter" | "nat";
  hook?: string;
  prio?: number;
  policy?: "accept" | "drop";
}

interface RuleJson {
  chain: string;
  handle: number;
  comment?: string;
  expr: readonly unknown[];
}

/** Whether a rule has been changed in place since we wrote it, by its chain's key and its handle. */
export type IsChanged = (chain: string, handle: number) => boolean;

/** Where connections come to be tracked (NF_IP_PRI_CONNTRACK): what comes before says which are not. */
const tracking = -200;

/**
 * Every chain, set and element of one table, from nft's JSON. What bears no mark of ours counts as guard, except where
 * addresses are translated, or before that.
 */
export function readTable(json: string, isChanged: IsChanged): FoundNft[] {
  const { nftables } = JSON.parse(json) as Listing;
  const rules = Map.groupBy(
    nftables.flatMap(({ rule }) => rule ?? []),
    ({ chain }) => chain,
  );
  return nftables.flatMap(({ set, chain }) => {
    if (set) return setRows(set);
    return chain ? chainRow(chain, rules.get(chain.name) ?? [], isChanged) : [];
  });
}

/** Whether the table holds nothing at all, not even what is no row of ours, such as a counter. */
export function isEmptyTable(json: string): boolean {
  return (JSON.parse(json) as Listing).nftables.every((entry) => "metainfo" in entry || "table" in entry);
}

/** Whether what is found under the wish's own key fulfils it: of rules the listing gives digests only. */
export function nftFulfils(wish: Nft, found: Nft): boolean {
  switch (wish.object) {
    case "chain":
      return found.object === "chain" && isSameHook(wish.hook, found.hook) && haveRules(wish.rules, found.rules);
    case "set":
      return found.object === "set" && found.type === wish.type;
    case "element":
      return found.object === "element";
  }
}

function isSameHook(a: NftChain["hook"], b: NftChain["hook"]): boolean {
  return a?.type === b?.type && a?.hook === b?.hook && a?.priority === b?.priority && a?.policy === b?.policy;
}

function haveRules(wish: readonly string[], found: readonly string[]): boolean {
  return wish.length === found.length && wish.every((rule, at) => isRule(rule, found[at] ?? ""));
}

function setRows({ family, name, type, comment, elem = [] }: SetJson): FoundNft[] {
  const kind = readComment(comment)?.kind ?? "guard";
  const values: Nft[] = [
    { object: "set", family, name, type: typeof type === "string" ? type : type.join(" . ") },
    ...elem.map((entry): Nft => ({ object: "element", family, set: name, element: partsOf(entry) })),
  ];
  return values.map((value) => ({ kind, key: nftKey(value), value }));
}

/** `10.42.0.2`, `{"concat":["sk1","10.42.0.2"]}`, or either as `{"elem":{"val":…}}` where it carries more. */
function partsOf(entry: unknown): string[] {
  const { elem, concat } = (typeof entry === "object" ? entry : {}) as { elem?: { val: unknown }; concat?: unknown[] };
  if (elem) return partsOf(elem.val);
  return concat ? concat.flatMap(partsOf) : [typeof entry === "object" ? JSON.stringify(entry) : String(entry)];
}

function chainRow(chain: ChainJson, rules: readonly RuleJson[], isChanged: IsChanged): FoundNft {
  const { family, name, type, hook, prio = 0, policy = "accept" } = chain;
  const key = nftKey({ object: "chain", family, name, rules: [] });
  const value: Nft = {
    object: "chain",
    family,
    name,
    ...(type && hook && { hook: { type, hook, priority: prio, policy } }),
    rules: rules.map((rule) => ruleText(rule, isChanged(key, rule.handle))),
  };
  const marked = rules.flatMap(({ comment }) => readComment(comment) ?? []).at(0);
  const isTranslation = type === "nat" || (family === "inet" && prio < tracking);
  const kind = marked?.kind ?? (isTranslation ? "translation" : "guard");
  return { kind, key, value, handles: rules.map(({ handle }) => handle) };
}

/** The digest proves a rule of ours; of others' an operator sees nft's own account. */
function ruleText({ comment, expr }: RuleJson, isChanged: boolean): string {
  const digest = readComment(comment)?.digest;
  return digest !== undefined && !isChanged ? intactRule(digest) : `not ours: ${JSON.stringify(expr)}`;
}
