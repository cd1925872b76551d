import { map, mergeMap, share } from "rxjs";
import { mark, type Scope } from "../desired/rows.ts";
import type { Driver, Notice, Observed, Operation } from "../reconcile/kind.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import { nftFulfils } from "./nft-listing.ts";
import { type NftKind, writerName } from "./nft-mark.ts";
import { type NftTransaction, notificationReader } from "./nft-notifications.ts";
import { NftTables } from "./nft-tables.ts";

/** What we know of nftables in one scope. */
interface Watched {
  tables: NftTables;
  read: ReturnType<typeof notificationReader>;
}

/**
 * The drivers of the tables `inet skein` and `bridge skein`, which the two kinds share.
 *
 * - A chain is one row, written whole, in one transaction; so are all operations of a batch, as far as nft takes them.
 * - Rules are found as digests (see nft-mark.ts), somebody else's as nft's JSON; `same` knows what they come to.
 * - Our own transactions are not noticed, and of others' only those that touch our tables.
 */
export function nftDrivers(kernel: Kernel): { [K in NftKind]: Driver<K> } {
  const watched = new Map<Scope, Watched>();
  const changes$ = kernel.events$.pipe(mergeMap(changesOf), share());
  return { guard: driver("guard"), translation: driver("translation") };

  function driver<K extends NftKind>(kind: K): Driver<K> {
    return {
      kind,
      same: nftFulfils,
      notices$: changes$.pipe(map(({ scope, why }): Notice => ({ type: "relist", scope, kinds: [kind], why }))),
      async list(scope) {
        const found = await at(scope).tables.list();
        return found
          .filter((each) => each.kind === kind)
          .map(({ key, value }) => ({ kind, scope, key, value }) as Observed<K>);
      },
      apply: (scope, operations) => at(scope).tables.apply(kind, operations as readonly Operation<NftKind>[]),
    };
  }

  function at(scope: Scope): Watched {
    const known = watched.get(scope) ?? { tables: new NftTables(kernel, scope), read: notificationReader() };
    watched.set(scope, known);
    return known;
  }

  /** What makes a new listing of the scope needful. */
  function changesOf(event: KernelEvent): { scope: Scope; why: string }[] {
    const { scope } = event;
    const known = watched.get(scope);
    if (!known || ("protocol" in event && event.protocol !== "nftables")) return [];
    switch (event.type) {
      case "messages":
        return known
          .read(event.bytes)
          .flatMap((transaction) => foreignChange(known, transaction))
          .map((why) => ({ scope, why }));
      case "lost":
        known.read = notificationReader();
        known.tables.forget();
        return [{ scope, why: "nftables events were lost" }];
      case "appeared":
      case "vanished":
        // The driver of namespaces speaks for all that is inside.
        watched.delete(scope);
        return [];
    }
  }
}

function foreignChange({ tables }: Watched, transaction: NftTransaction): string[] {
  if (!transaction.touchesOurs) return [];
  const isOurs = transaction.by === writerName;
  tables.remember(transaction, isOurs);
  return isOurs ? [] : [`${transaction.by} changed table ${mark.table} of nftables`];
}
