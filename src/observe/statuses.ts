import type { Client } from "../store/client.ts";
import { listWatch } from "../store/list-watch.ts";
import { type Status, statusSchema } from "./status.ts";

/** What the hosts of one network say of themselves, by host, as it changes. */
export interface Statuses {
  readonly of: ReadonlyMap<string, Status>;
  close(): void;
}

export function followStatuses(client: Client, net: string): Statuses {
  const statuses = new Map<string, Status>();
  const prefix = `status/${net}/`;
  const following = listWatch(client, prefix).subscribe((events) => {
    for (const event of events) {
      if (event.type !== "put" && event.type !== "delete") continue;
      const host = event.key.slice(prefix.length);
      const status = event.type === "put" ? parse(event.value) : undefined;
      if (status === undefined) statuses.delete(host);
      else statuses.set(host, status);
    }
  });
  return { of: statuses, close: () => following.unsubscribe() };
}

/** Undefined for what is no status: somebody's nonsense is as if the host had said nothing. */
function parse(value: Buffer): Status | undefined {
  try {
    return statusSchema.parse(JSON.parse(value.toString("utf8")));
  } catch {
    return undefined;
  }
}
