import type { Client } from "../../src/store/client.ts";
import type { StoreEvent } from "../../src/store/event.ts";
import { type ListWatchOptions, listWatch } from "../../src/store/list-watch.ts";

/** What a list-watch told, folded the way a consumer folds it. */
export interface Mirror {
  /** Key to value and revision, as told. */
  readonly keys: ReadonlyMap<string, string>;
  readonly log: readonly StoreEvent[];
  /** As they came, one entry an emission. */
  readonly batches: readonly (readonly StoreEvent[])[];
  /** Resolves once `holds`, asked after every emission and now. */
  until(holds: () => boolean): Promise<void>;
  /** Resolves with the first event of a type, `from` an index of the log on. */
  next<T extends StoreEvent["type"]>(type: T, from?: number): Promise<StoreEvent & { type: T }>;
  close(): void;
}

export function mirror(client: Client, prefix: string, options?: ListWatchOptions): Mirror {
  const keys = new Map<string, string>();
  const log: StoreEvent[] = [];
  const batches: (readonly StoreEvent[])[] = [];
  const waiting = new Set<() => void>();
  const subscription = listWatch(client, prefix, options).subscribe((events) => {
    batches.push(events);
    for (const event of events) {
      log.push(event);
      if (event.type === "put") keys.set(event.key, `${event.value} @${event.revision}`);
      if (event.type === "delete") keys.delete(event.key);
    }
    for (const look of waiting) look();
  });
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return {
    keys,
    log,
    batches,
    until,
    async next<T extends StoreEvent["type"]>(type: T, from = 0) {
      const find = () => log.slice(from).find((event): event is StoreEvent & { type: T } => event.type === type);
      await until(() => find() !== undefined);
      return find()!;
    },
    close: () => subscription.unsubscribe(),
  };
}

/** What etcd holds below a prefix, written as a mirror's `keys`. */
export async function truth(client: Client, prefix: string): Promise<Map<string, string>> {
  const { records } = await client.range(prefix);
  return new Map(records.map(({ key, value, revision }) => [key, `${value} @${revision}`]));
}
