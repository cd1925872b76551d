import type { IEvent, IWatchResponse } from "etcd3";
import type { Revision } from "../model/revision.ts";

/** What one answer on a watch stream means. */
export type Heard =
  /** The watch stands; nothing is said about its catch-up. */
  | { type: "created"; cluster: string }
  /** `partial`: more of the same revision follows, and nothing of it may be applied yet. */
  | { type: "events"; events: IEvent[]; partial: boolean }
  | { type: "progress"; revision: Revision; sure: boolean }
  | { type: "compacted"; oldest: Revision }
  | { type: "canceled"; reason: string };

/** etcd answers a progress request under this ID, outside the order of events. */
const everyWatch = "-1";

export function read(response: IWatchResponse): Heard {
  // Before `created`: a watch that is refused says both.
  if (response.compact_revision !== "0") return { type: "compacted", oldest: response.compact_revision as Revision };
  if (response.canceled) return { type: "canceled", reason: response.cancel_reason || "no reason given" };
  if (response.created) return { type: "created", cluster: response.header.cluster_id };
  if (response.events.length > 0) return { type: "events", events: response.events, partial: response.fragment };
  const revision = response.header.revision as Revision;
  return { type: "progress", revision, sure: response.watch_id !== everyWatch };
}
