import { describeRow } from "../desired/print.ts";
import type { Row } from "../desired/rows.ts";
import type { FailedRow, Planned } from "../reconcile/engine.ts";
import type { CharonAnswer, FailedStatus, NetworkStatus, PlanAnswer, PlanOperation, StatusAnswer } from "./answers.ts";
import { oneLine } from "./one-line.ts";
import { byName } from "./sort.ts";
import type { AgentView, NetworkState } from "./view.ts";

/** Lists are sorted by name, so that two answers differ only where something differs. */
export function showStatus(view: AgentView): StatusAnswer {
  const { staleSince, ...etcd } = view.etcd();
  const brake = view.braked();
  return {
    host: view.host,
    version: view.version,
    pid: process.pid,
    startedAt: new Date(view.startedAt).toISOString(),
    ready: view.ready(),
    underlay: view.underlay(),
    state: view.state,
    charon: charonAnswer(view),
    etcd: { ...etcd, ...(staleSince !== undefined && { staleSince: new Date(staleSince).toISOString() }) },
    ...(brake && { brake }),
    networks: view.networks().map(networkStatus).sort(byName("network")),
    rejected: view
      .rejected()
      .map((record) => ({ ...record, key: oneLine(record.key) }))
      .sort(byName("key")),
  };
}

export function charonAnswer(view: Pick<AgentView, "charon">): CharonAnswer {
  const charon = view.charon();
  switch (charon.type) {
    case "unneeded":
      return { state: "unneeded" };
    case "connected":
      return { state: "connected", version: charon.version };
    case "away":
      return { state: "away", since: new Date(charon.since).toISOString(), why: charon.why };
  }
}

function networkStatus({
  net,
  member,
  observed,
  converged,
  rows,
  names,
  tunnels,
  failed,
  skipped,
}: NetworkState): NetworkStatus {
  return {
    network: net,
    ...(member && { member }),
    observed,
    converged,
    rows,
    ...(names && { names }),
    ...(tunnels && { tunnels }),
    failed: failed.map(failedStatus).sort(byName("row")),
    skipped: [...skipped].sort(byName("key")),
  };
}

function failedStatus({ row, failure, attempt, retryAt }: FailedRow): FailedStatus {
  return {
    row: describeRow(row as Row),
    code: failure.code,
    message: oneLine(failure.message),
    attempt,
    retryMs: Math.max(0, Math.round(retryAt - performance.now())),
    because: "because" in row ? row.because : [],
  };
}

export function showPlan(view: AgentView): PlanAnswer {
  return { host: view.host, operations: view.plan().map(planOperation) };
}

function planOperation({ verb, row, was, held }: Planned): PlanOperation {
  const { kind, scope, key } = row;
  return {
    verb,
    kind,
    scope,
    key,
    text: describeRow(row as Row),
    ...(was !== undefined && { was: describeRow({ ...row, value: was } as Row) }),
    because: "because" in row ? row.because : [],
    ...(held !== undefined && { held }),
  };
}
