import { describeRow } from "../desired/print.ts";
import type { Row } from "../desired/rows.ts";
import type { FailedRow } from "../reconcile/engine.ts";
import { oneLine } from "./one-line.ts";
import { byName } from "./sort.ts";
import type { Status } from "./status.ts";
import type { AgentView, NetworkState } from "./view.ts";

/** What a host says of itself and one network; without the time, which alone is no news. */
export type OwnStatus = Omit<Status, "at">;

/** Of failures and skips the first so many by name, as the schema has it; the counts tell of the rest. */
const shown = 20;

export function ownStatus({ host, braked }: Pick<AgentView, "host" | "braked">, state: NetworkState): OwnStatus {
  const { observed, converged, rows, tunnels, failed, skipped } = state;
  const held = braked()?.why;
  // Sorted, since the order they came about in is no news.
  return {
    host,
    observed,
    converged,
    rows,
    failed: failed.map(failedEntry).sort(byName("row")).slice(0, shown),
    failedCount: failed.length,
    skipped: skipped
      .map(({ key, code, reason }) => ({ key, code, reason: oneLine(reason) }))
      .sort(byName("key"))
      .slice(0, shown),
    skippedCount: skipped.length,
    ...(tunnels && { tunnels: { ...tunnels, ...(tunnels.why !== undefined && { why: oneLine(tunnels.why) }) } }),
    ...(held !== undefined && { held }),
  };
}

function failedEntry({ row, failure, attempt }: FailedRow): Status["failed"][number] {
  return { row: describeRow(row as Row), code: failure.code, message: oneLine(failure.message), attempt };
}
