import { mark, type Nft } from "../desired/rows.ts";
import type { Operation } from "../reconcile/kind.ts";
import { type NftKind, ruleComment, setComment } from "./nft-mark.ts";

export type NftChain = Extract<Nft, { object: "chain" }>;
export type NftElement = Extract<Nft, { object: "element" }>;

/**
 * The order within a transaction: the kernel refuses to delete what a rule still names, and to name what is not there
 * yet, so rules go first and come last.
 */
const phases = [
  "empty chain",
  "delete element",
  "delete chain",
  "delete set",
  "make set",
  "add element",
  "add rule",
] as const;

/** nft commands of one object, by phase. */
type Commands = Partial<Record<(typeof phases)[number], readonly string[]>>;

/** One nft command a line; run as one buffer, all of them happen or none. */
export function transactionOf(kind: NftKind, operations: readonly Operation<NftKind>[]): string {
  const wished = operations.filter(({ verb }) => verb !== "remove");
  const tables = new Set(wished.map(({ row }) => makeTable(row.value.family)));
  const commands = operations.map((operation) => commandsOf(kind, operation));
  return [...tables, ...phases.flatMap((phase) => commands.flatMap((of) => of[phase] ?? []))].join("\n");
}

/** Makes it, or wakes it where it is dormant; else nothing, not even a notification. */
export function makeTable(family: Nft["family"]): string {
  return `add table ${family} ${mark.table}`;
}

/** Answers with one line a table. */
export function listTables(family: Nft["family"]): string {
  return `list tables ${family}`;
}

export function listTable(family: Nft["family"]): string {
  return `list table ${family} ${mark.table}`;
}

export function deleteTable(family: Nft["family"]): string {
  return `delete table ${family} ${mark.table}`;
}

/** The turn of an operation among others that are not of its transaction: nothing comes before what it needs. */
export function turnOf({ verb, row: { value } }: Operation<NftKind>): number {
  const removals = { chain: 0, element: 1, set: 2 };
  const creations = { set: 3, element: 4, chain: 5 };
  if (verb === "remove") return removals[value.object];
  // Only chains without a hook are jumped to.
  return creations[value.object] + (value.object === "chain" && value.hook ? 1 : 0);
}

function commandsOf(kind: NftKind, operation: Operation<NftKind>): Commands {
  if (operation.verb === "remove") return removal(operation.row.value);
  return creation(kind, operation.row.value, operation.verb === "replace" ? operation.was : undefined);
}

function creation(kind: NftKind, nft: Nft, was: Nft | undefined): Commands {
  switch (nft.object) {
    case "chain":
      return {
        "empty chain": emptied(nft, was?.object === "chain" ? was : nft),
        "add rule": nft.rules.map((rule) => `add rule ${path(nft)} ${rule} comment "${ruleComment(kind, rule)}"`),
      };
    case "set":
      return {
        ...(was ? { "delete set": [`delete set ${path(nft)}`] } : {}),
        "make set": [`add set ${path(nft)} { type ${nft.type}; comment "${setComment(kind)}"; }`],
      };
    case "element":
      return { "add element": [`add element ${path(nft)} { ${elementText(nft)} }`] };
  }
}

function removal(nft: Nft): Commands {
  switch (nft.object) {
    case "chain":
      // Added first, so that one that is gone already is no error.
      return {
        "empty chain": [`add chain ${path(nft)}`, `flush chain ${path(nft)}`],
        "delete chain": [`delete chain ${path(nft)}`],
      };
    case "set":
      return { "delete set": [`delete set ${path(nft)}`] };
    case "element":
      return { "delete element": [`delete element ${path(nft)} { ${elementText(nft)} }`] };
  }
}

/**
 * An existing chain is kept and emptied, so that packets meet either the old rules or the new ones. Only a hook cannot
 * be changed in place: type and priority are for life.
 */
function emptied(chain: NftChain, was: NftChain): string[] {
  const made = `add chain ${path(chain)}${hookText(chain)}`;
  const flushed = `flush chain ${path(chain)}`;
  if (placeOf(chain) === placeOf(was)) return [made, flushed];
  return [`add chain ${path(chain)}`, flushed, `delete chain ${path(chain)}`, made];
}

function placeOf({ hook }: NftChain): string {
  return hook ? `${hook.type} ${hook.hook} ${hook.priority}` : "";
}

function hookText({ hook }: NftChain): string {
  if (!hook) return "";
  return ` { type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy ${hook.policy}; }`;
}

function path(nft: Nft): string {
  return `${nft.family} ${mark.table} ${nft.object === "element" ? nft.set : nft.name}`;
}

/** Quoted, since an interface may be called like a word of nft's; addresses and ports do not mind. */
function elementText({ element }: NftElement): string {
  return element.map((part) => `"${part}"`).join(" . ");
}
