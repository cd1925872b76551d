import { mark, type Nft, type Scope } from "../desired/rows.ts";
import { type Failure, type Operation, rowId } from "../reconcile/kind.ts";
import type { Kernel } from "./kernel.ts";
import { elementTransaction } from "./nft-elements.ts";
import { type FoundNft, isEmptyTable, readTable } from "./nft-listing.ts";
import type { NftKind } from "./nft-mark.ts";
import type { NftTransaction } from "./nft-notifications.ts";
import { refusal } from "./nft-refusal.ts";
import { deleteTable, listTable, listTables, makeTable, transactionOf, turnOf } from "./nft-text.ts";

const families: readonly Nft["family"][] = ["inet", "bridge"];

type Result = Failure | undefined;

/** Our tables in one namespace. What is done to them is done in turn, since one that is found empty is deleted whole. */
export class NftTables {
  readonly #kernel: Kernel;
  readonly #scope: Scope;
  #last: Promise<unknown> = Promise.resolve();
  #nextList: Promise<FoundNft[]> | undefined;
  /** Handles of the rules we wrote, by their chain's key. Rules of a chain we know nothing of are believed their comments. */
  readonly #written = new Map<string, Set<number>>();
  /** Tables that are known not to be dormant. */
  readonly #awake = new Set<Nft["family"]>();

  constructor(kernel: Kernel, scope: Scope) {
    this.#kernel = kernel;
    this.#scope = scope;
  }

  /** Everything in them; those who ask before it begins share one listing. Throws where nothing can be known. */
  list(): Promise<FoundNft[]> {
    this.#nextList ??= this.#inTurn(async () => {
      this.#nextList = undefined;
      const tables = await Promise.all(families.map((family) => this.#read(family)));
      return tables.flat();
    });
    return this.#nextList;
  }

  apply(kind: NftKind, operations: readonly Operation<NftKind>[]): Promise<Result[]> {
    return this.#inTurn(async () => {
      const results = new Map<Operation<NftKind>, Result>();
      // What is written now is known again when the kernel tells of it, or else believed.
      for (const { row } of operations) this.#written.delete(row.key);
      for (const part of transactionsOf(operations.toSorted((a, b) => turnOf(a) - turnOf(b))))
        await this.#run(kind, part, results);
      const left = operations.filter(({ verb, row }) => verb === "remove" && row.value.object !== "element");
      for (const family of new Set(left.map(({ row }) => row.value.family))) await this.#deleteIfEmpty(family);
      return operations.map((operation) => results.get(operation));
    });
  }

  /** Takes in a transaction that went through. A rule that is changed in place keeps its handle, but goes and comes. */
  remember({ rules, asleep }: NftTransaction, isOurs: boolean): void {
    for (const { change, chain, handle } of rules) {
      const handles = this.#written.get(chain);
      if (change === "deleted") handles?.delete(handle);
      else if (isOurs) this.#written.set(chain, (handles ?? new Set()).add(handle));
    }
    for (const family of asleep) this.#awake.delete(family);
  }

  /** Transactions went unseen. */
  forget(): void {
    this.#written.clear();
    this.#awake.clear();
  }

  /** All in one transaction; where nft refuses that, each half in its own, down to the operation that is to blame. */
  async #run(kind: NftKind, operations: readonly Operation<NftKind>[], results: Map<Operation<NftKind>, Result>) {
    const [first] = operations;
    if (!first || (await this.#putElements(operations))) return;
    const answer = await this.#kernel.nft(this.#scope, transactionOf(kind, operations));
    if (!answer.ok) {
      // What is to be removed went with its namespace.
      const isGone = answer.failure.code === "NETNS_MISSING";
      for (const each of operations) results.set(each, isGone && each.verb === "remove" ? undefined : answer.failure);
    } else if (answer.value.status !== 0 && operations.length === 1) {
      const failure = refusal(answer.value.error, `${first.verb} ${rowId(first.row)}`);
      results.set(first, first.verb === "remove" && failure.code === "ENOENT" ? undefined : failure);
    } else if (answer.value.status !== 0) {
      const middle = Math.ceil(operations.length / 2);
      await this.#run(kind, operations.slice(0, middle), results);
      await this.#run(kind, operations.slice(middle), results);
    }
  }

  /** The short way, for elements alone. What it refuses, nft shall refuse in words. */
  async #putElements(operations: readonly Operation<NftKind>[]): Promise<boolean> {
    const transaction = elementTransaction(operations);
    if (!transaction) return false;
    const answer = await this.#kernel.nftElements(this.#scope, transaction);
    return answer.ok && answer.value === 0;
  }

  async #read(family: Nft["family"]): Promise<FoundNft[]> {
    const json = await this.#listing(family);
    if (json === undefined) return [];
    const found = readTable(json, (chain, handle) => this.#written.get(chain)?.has(handle) === false);
    for (const { key, handles } of found) {
      if (handles && !this.#written.has(key)) this.#written.set(key, new Set(handles));
    }
    return found;
  }

  async #deleteIfEmpty(family: Nft["family"]): Promise<void> {
    try {
      const json = await this.#listing(family);
      if (json !== undefined && isEmptyTable(json)) await this.#ask(deleteTable(family), false);
    } catch {
      // An empty table does no harm, and the rows were removed all the same.
    }
  }

  /** JSON of the table; `undefined` where there is none. */
  async #listing(family: Nft["family"]): Promise<string | undefined> {
    if (!this.#awake.has(family)) await this.#wake(family);
    return this.#ask(listTable(family), true);
  }

  /**
   * The guards of a dormant table let everything pass, and no row stands for that, so it is woken at once. Before it is
   * listed: libnftables 1.0.6 reads freed memory when it prints a table's flags in JSON, and may die of it.
   */
  async #wake(family: Nft["family"]): Promise<void> {
    const tables = (await this.#ask(listTables(family), false)) ?? "";
    if (tables.split("\n").includes(`table ${family} ${mark.table}`)) await this.#ask(makeTable(family), false);
    this.#awake.add(family);
  }

  /** What nft prints; `undefined` where there is no such thing. */
  async #ask(command: string, json: boolean): Promise<string | undefined> {
    const answer = await this.#kernel.nft(this.#scope, command, { json });
    if (answer.ok && answer.value.status === 0) return answer.value.output;
    const failure = answer.ok ? refusal(answer.value.error, `${command} in ${this.#scope}`) : answer.failure;
    if (failure.code === "ENOENT" || failure.next === "wait") return undefined;
    throw new Error(failure.message);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    // Whoever asked hears of the failure; the next in turn must not.
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** As many elements as this are worth a transaction of their own: libnftables takes 40 ms for a thousand, the short way 2. */
const many = 50;

/**
 * All in one, as a rule. Where things are only made, sets may come first, their elements after them and rules last, so
 * that many elements can go the short way; nothing passes or is dropped in between that would not with all in one.
 */
function transactionsOf(operations: Operation<NftKind>[]): Operation<NftKind>[][] {
  const parts = Map.groupBy(operations, ({ row }) => row.value.object);
  const isLarge = (parts.get("element")?.length ?? 0) >= many;
  return isLarge && operations.every(({ verb }) => verb === "add") ? [...parts.values()] : [operations];
}
