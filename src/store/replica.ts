import type { IEvent, IKeyValue } from "etcd3";
import { type Revision, revisionAfter } from "../model/revision.ts";
import type { StoreEvent } from "./event.ts";
import { keyText } from "./key-range.ts";
import { addPage, type Listing, type Page } from "./list.ts";
import type { Position } from "./position.ts";

/**
 * What has been told so far: of each key its revision only, to find after a relist what changed and what vanished.
 * Turns etcd's answers into events.
 */
export class Replica {
  readonly #skip: number;
  readonly #told = new Map<string, Revision>();

  /** @param prefix the installation's, which keys go without */
  constructor(prefix: string) {
    this.#skip = Buffer.byteLength(prefix);
  }

  page(listing: Listing, page: Page): StoreEvent[] {
    const events: StoreEvent[] = [];
    addPage(listing, page);
    for (const record of page.records) {
      const key = keyText(record.key, this.#skip);
      listing.keys.add(key);
      if (listing.rewritten || this.#told.get(key) !== record.mod_revision) events.push(this.#put(key, record, "list"));
    }
    return events;
  }

  /** Deletes come last, so that a list that never ends deletes nothing. */
  endList(listing: Listing, { revision, cluster }: Page): { events: StoreEvent[]; at: Position } {
    const events: StoreEvent[] = [];
    for (const key of this.#told.keys()) {
      if (listing.keys.has(key)) continue;
      this.#told.delete(key);
      events.push({ type: "delete", key, revision, via: "relist" });
    }
    events.push({ type: "synced", revision, total: listing.keys.size, vanished: events.length });
    const witness = listing.latest ? { witness: listing.latest } : {};
    return { events, at: { cluster, next: revisionAfter(revision), seen: revision, ...witness } };
  }

  changes(events: readonly IEvent[]): StoreEvent[] {
    return events.map(({ type, kv }) => {
      const key = keyText(kv.key, this.#skip);
      if (type === "Put") return this.#put(key, kv, "watch");
      this.#told.delete(key);
      return { type: "delete", key, revision: kv.mod_revision as Revision, via: "watch" };
    });
  }

  #put(key: string, record: IKeyValue, via: "list" | "watch"): StoreEvent {
    const revision = record.mod_revision as Revision;
    this.#told.set(key, revision);
    return { type: "put", key, value: record.value, revision, created: record.create_revision as Revision, via };
  }
}
