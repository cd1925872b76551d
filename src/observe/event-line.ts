import { describeRow } from "../desired/print.ts";
import type { Row } from "../desired/rows.ts";
import type { Cause } from "../reconcile/event.ts";
import type { Observed } from "../reconcile/kind.ts";
import type { AgentEvent } from "./event.ts";
import type { EventLine } from "./event-schema.ts";

/** An event with its place in this run of the agent. */
export interface Recorded {
  seq: number;
  /** Milliseconds of the Unix epoch. */
  time: number;
  event: AgentEvent;
}

type Body<Line = EventLine> = Line extends EventLine ? Omit<Line, "seq" | "time"> : never;

/** The event as it goes out: flat, rows in words, nothing that only has meaning inside this process. */
export function eventLine({ seq, time, event }: Recorded): EventLine {
  return { seq, time: new Date(time).toISOString(), ...bodyOf(event) } as EventLine;
}

export function droppedLine(seq: number, time: number, count: number): EventLine {
  return { seq, time: new Date(time).toISOString(), type: "dropped", count };
}

function bodyOf(event: AgentEvent): Body {
  switch (event.type) {
    case "added":
    case "repaired":
      return { type: event.type, ...rowOf(event.row), ...reasonOf(event.row), ...sinceOf(event) };
    case "replaced": {
      const { row, was } = event;
      return { type: "replaced", ...rowOf(row), was: textOf(row, was), ...reasonOf(row), ...sinceOf(event) };
    }
    case "removed":
      return { type: "removed", ...rowOf(event.row), ...sinceOf(event) };
    case "failed": {
      const { row, failure, attempt, retryMs, cause } = event;
      const { code, message } = failure;
      return {
        type: "failed",
        ...rowOf(row),
        code,
        message,
        attempt,
        retryMs: rounded(retryMs),
        cause: causeOf(cause),
      };
    }
    case "drifted": {
      const { row, found } = event;
      const text = found === undefined ? null : textOf(row, found);
      return { type: "drifted", ...rowOf(row), found: text, ...reasonOf(row) };
    }
    case "conflicted":
      return { type: "conflicted", ...rowOf(event.row), ...reasonOf(event.row), units: [...event.units] };
    case "rejected": {
      const { key, revision, code, reason } = event;
      return { type: "rejected", record: key, revision, code, reason };
    }
    case "skipped": {
      const { key, skip } = event;
      if (skip === undefined) return { type: "admitted", record: key };
      return { type: "skipped", record: key, code: skip.code, reason: skip.reason };
    }
    case "joined":
    case "left":
      return { type: event.type, network: event.net, why: event.why };
    case "collected":
      return { type: "collected", record: event.key, network: event.net, why: event.why };
    case "stale":
      return { ...event, since: new Date(event.since).toISOString() };
    case "fresh":
      return { ...event, staleMs: rounded(event.staleMs) };
    case "relisted":
    case "converged":
    case "stalled":
      return { ...event, ms: rounded(event.ms) };
    case "tunnel-up":
      return { ...event, ms: rounded(event.ms) };
    case "tunnel-retrying":
      return { ...event, nextMs: rounded(event.nextMs) };
    case "charon-back":
      return { ...event, awayMs: rounded(event.awayMs) };
    case "unlisted":
      return { ...event, retryMs: rounded(event.retryMs) };
    case "tunnel-down":
    case "tunnel-rekeyed":
    case "tunnel-rekey-failed":
    case "tunnel-duplicate":
    case "tunnel-lost":
    case "charon-away":
    case "braked":
    case "released":
    case "doubt":
    case "underlay":
    case "warned":
      return event;
  }
}

function rowOf({ kind, scope, key, value }: Row | Observed) {
  return { kind, scope, key, text: textOf({ kind, scope, key }, value) };
}

/** The value is of the row's kind by construction, which the type of a union's parts cannot say. */
function textOf(row: Pick<Row, "kind" | "scope" | "key">, value: Observed["value"]): string {
  return describeRow({ kind: row.kind, scope: row.scope, key: row.key, value } as Row);
}

function reasonOf({ because }: Row) {
  return { because: [...because] };
}

function sinceOf({ cause, ms }: { cause: Cause; ms: number }) {
  return { cause: causeOf(cause), ms: rounded(ms) };
}

function causeOf({ key, revision }: Cause) {
  return revision === undefined ? { key } : { key, revision };
}

/** To the microsecond: more digits are noise, and the line is read by people too. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
