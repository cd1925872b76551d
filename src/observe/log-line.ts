import { describeRow } from "../desired/print.ts";
import type { Row } from "../desired/rows.ts";
import type { Cause } from "../reconcile/event.ts";
import type { Observed } from "../reconcile/kind.ts";
import { duration } from "./duration.ts";
import type { AgentEvent } from "./event.ts";
import { oneLine } from "./one-line.ts";

/** What the log says of an event: for a person at three in the morning, what happened, why, and what comes next. */
export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  /** Lines of one sort are alike; of many in a short time the first few are logged, and the rest are counted. */
  sort: string;
}

/** Not Extract: some members of the union carry two types, and it finds neither. */
type Of<Type, Event = AgentEvent> = Event extends { type: infer Types } ? (Type extends Types ? Event : never) : never;

type Say = { [Type in AgentEvent["type"]]: (event: Of<Type>) => LogLine | undefined };

/** Undefined for what an operator need not know even when debugging. */
export function logLine(event: AgentEvent): LogLine | undefined {
  return (say[event.type] as (event: AgentEvent) => LogLine | undefined)(event);
}

const say: Say = {
  added: ({ row, cause, ms }) => line("debug", "added", `added ${words(row)}${after(cause, ms)}`),
  replaced: ({ row, was, cause, ms }) =>
    line("debug", "replaced", `replaced ${words({ ...row, value: was } as Row)} by ${words(row)}${after(cause, ms)}`),
  removed: ({ row, cause, ms }) => line("debug", "removed", `removed ${words(row)}${after(cause, ms)}`),
  repaired: ({ row, ms }) => line("info", `repaired ${row.kind}`, `repaired ${words(row)} after ${duration(ms)}`),
  failed: ({ row, failure, attempt, retryMs }) =>
    // Doubling intervals: a row that fails all night fills ten lines, not a disk.
    Number.isInteger(Math.log2(attempt))
      ? line(
          "error",
          `failed ${row.kind} ${failure.code}`,
          `cannot apply ${words(row)}: ${failure.message} (${failure.code}, attempt ${attempt}, next in ${duration(retryMs)})`,
        )
      : undefined,
  drifted: ({ row, found }) =>
    line(
      "warn",
      `drifted ${row.kind}`,
      found === undefined
        ? `somebody removed ${words(row)}; putting it back`
        : `somebody changed ${words(row)} to ${words({ ...row, value: found } as Row)}; putting it back`,
    ),
  conflicted: ({ row, units }) =>
    line("error", "conflicted", `${units.join(" and ")} want different values of ${words(row)}; the first has its way`),
  braked: ({ removals, rows, why }) =>
    line(
      "error",
      "braked",
      `holding back the removal of ${removals} of ${rows} rows: ${why}. If that is meant: skein release. What would go: skein plan`,
    ),
  released: ({ removals }) => line("info", "released", `released: removing ${removals} rows that were held back`),
  relisted: ({ scope, rows, why, ms }) =>
    line("debug", "relisted", `listed ${rows} rows in ${scope} again after ${duration(ms)}: ${why}`),
  unlisted: ({ kind, scope, message, attempt, retryMs }) =>
    line(
      "error",
      `unlisted ${kind}`,
      `cannot list ${kind} rows in ${scope}, which are left alone until then: ${message} (attempt ${attempt}, next in ${duration(retryMs)})`,
    ),
  stalled: ({ kind, scope, rows, ms }) =>
    line(
      "error",
      "stalled",
      `no answer on ${rows} ${kind} rows in ${scope} for ${duration(ms)}; all others go on without them`,
    ),
  converged: ({ rows, waiting, writes, ms }) =>
    waiting > 0
      ? line(
          "debug",
          "converged",
          `${writes} writes in ${duration(ms)}; ${waiting} of ${rows} rows have failed and wait`,
        )
      : line("debug", "converged", `${writes} writes in ${duration(ms)}; ${rows} rows are as declared`),
  rejected: ({ key, revision, reason }) =>
    line("error", "rejected", `ignoring ${oneLine(key)} of revision ${revision}, which is no record: ${reason}`),
  skipped: ({ key, skip }) =>
    skip === undefined
      ? line("info", "admitted", `${key} is fine now`)
      : line("warn", `skipped ${skip.code}`, `${key} has no effect here: ${oneLine(skip.reason)}`),
  joined: ({ net, why }) => line("info", "joined", `joined network ${net}: ${why}`),
  collected: ({ key, why }) => line("info", "collected", `took back ${key}: ${why}`),
  left: ({ net, why }) => line("info", "left", `left network ${net}: ${why}`),
  stale: ({ keys, since, why }) =>
    line(
      "warn",
      "stale",
      `etcd does not tell of ${keys} since ${new Date(since).toISOString()}: ${why}. All rows stay as they are; trying again`,
    ),
  fresh: ({ keys, staleMs }) => line("info", "fresh", `etcd tells of ${keys} again, after ${duration(staleMs)}`),
  doubt: ({ keys, why }) =>
    line(
      "warn",
      "doubt",
      `records of ${keys} may have gone unseen: ${why}. Listing them again before anything is removed`,
    ),
  underlay: ({ dev, address, mtu, was }) =>
    was === undefined
      ? line("info", "underlay", `underlay is ${dev}, ${address}, mtu ${mtu}`)
      : line(
          "warn",
          "underlay",
          `underlay ${dev} is now ${address}, mtu ${mtu}; it was ${was.address}, mtu ${was.mtu}. Following it`,
        ),
  "tunnel-up": ({ peer, child, cipher, ms }) =>
    line("info", "tunnel-up", `tunnel ${child} to ${peer} is up after ${duration(ms)}, ${cipher}`),
  "tunnel-down": ({ peer, child, why }) =>
    line(
      "warn",
      "tunnel-down",
      `tunnel ${child} to ${peer} is down: ${oneLine(why)}. Nothing passes until it is up again`,
    ),
  "tunnel-rekeyed": ({ peer, child, cipher }) =>
    line("debug", "tunnel-rekeyed", `tunnel ${child} to ${peer} has new keys, ${cipher}`),
  "tunnel-rekey-failed": ({ peer, child, why }) =>
    line(
      "warn",
      "tunnel-rekey-failed",
      `no new keys for tunnel ${child} to ${peer}: ${oneLine(why)}. It goes on with those that it has; trying again`,
    ),
  "tunnel-retrying": ({ peer, child, attempt, nextMs, why }) =>
    line(
      "warn",
      "tunnel-retrying",
      `cannot establish tunnel ${child} to ${peer}: ${oneLine(why)} (attempt ${attempt}, next in ${duration(nextMs)})`,
    ),
  "tunnel-duplicate": ({ peer, ended }) =>
    line("info", "tunnel-duplicate", `IKE to ${peer} stood more than once: the newest stays, ${ended} ended`),
  "tunnel-lost": ({ peer, child }) =>
    line(
      "warn",
      "tunnel-lost",
      `somebody took the keys of tunnel ${child} to ${peer} from the kernel; making new ones`,
    ),
  "charon-away": ({ why }) =>
    line("error", "charon-away", `charon does not answer: ${oneLine(why)}. Tunnels stay as they are; trying again`),
  "charon-back": ({ version, awayMs }) =>
    awayMs === 0
      ? line("info", "charon-back", `charon is there: ${version}`)
      : line("info", "charon-back", `charon answers again, after ${duration(awayMs)}: ${version}`),
  warned: ({ code, message }) => line("warn", `warned ${code}`, oneLine(message)),
};

function line(level: LogLine["level"], sort: string, message: string): LogLine {
  return { level, sort, message };
}

function words(row: Row | Observed): string {
  return describeRow(row as Row);
}

function after({ key, revision }: Cause, ms: number): string {
  return ` ${duration(ms)} after ${key}${revision === undefined ? "" : ` at revision ${revision}`}`;
}
