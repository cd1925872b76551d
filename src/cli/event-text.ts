import { duration } from "../observe/duration.ts";
import type { EventLine } from "../observe/event-schema.ts";
import { oneLine } from "../observe/one-line.ts";
import { counted } from "./table.ts";
import type { Colour } from "./terminal.ts";

type Said = [sign: string, text: string, colour?: Colour];
type Say = { [Type in EventLine["type"]]: (line: Extract<EventLine, { type: Type }>) => Said };

/** One event for people, the time of day first. A sort of a later agent's is printed as data. */
export function eventText(line: EventLine): { text: string; colour: Colour | undefined } {
  const { seq: _, time, ...rest } = line;
  const words = say[line.type] as ((line: EventLine) => Said) | undefined;
  const [sign, text, colour] = words?.(line) ?? [" ", JSON.stringify(rest)];
  return { text: `${timeOfDay(time)} ${sign} ${oneLine(text, 1_000)}`, colour };
}

const say: Say = {
  added: ({ text, ms, cause }) => ["+", `${text}${after(ms, cause)}`, "green"],
  replaced: ({ text, was, ms, cause }) => ["~", `${text}, was ${was}${after(ms, cause)}`, "yellow"],
  removed: ({ text, ms, cause }) => ["-", `${text}${after(ms, cause)}`, "red"],
  repaired: ({ text, ms }) => ["+", `${text}: repaired in ${duration(ms)}`, "green"],
  failed: ({ text, code, message, attempt, retryMs }) => [
    "!",
    `${text}: ${message} (${code}, attempt ${attempt}, next in ${duration(retryMs)})`,
    "red",
  ],
  drifted: ({ text, found }) => ["?", `${text}: ${found === null ? "gone" : `found ${found}`}`, "yellow"],
  conflicted: ({ text, units }) => ["!", `${text}: wished differently by ${units.join(" and ")}`, "red"],
  braked: ({ removals, rows, why }) => ["!", `holding back ${removals} of ${counted(rows, "row")}: ${why}`, "red"],
  released: ({ removals }) => [" ", `released, ${counted(removals, "removal")} to go`],
  relisted: ({ scope, rows, why, ms }) => [
    " ",
    `listed ${counted(rows, "row")} in ${scope} in ${duration(ms)}: ${why}`,
  ],
  unlisted: ({ kind, scope, message }) => ["!", `cannot list ${kind} in ${scope}: ${message}`, "red"],
  stalled: ({ kind, scope, ms }) => ["!", `no answer on ${kind} in ${scope} for ${duration(ms)}`, "red"],
  converged: ({ rows, waiting, writes, ms }) => [
    waiting > 0 ? "!" : "=",
    `${counted(writes, "write")} in ${duration(ms)}, ${counted(rows, "row")}${waiting > 0 ? `, ${waiting} failed` : ""}`,
    waiting > 0 ? "red" : "dim",
  ],
  rejected: ({ record, revision, reason, code }) => [
    "!",
    `${record} is no record: ${reason} (${code}, revision ${revision})`,
    "red",
  ],
  skipped: ({ record, reason, code }) => ["!", `${record} has no effect here: ${reason} (${code})`, "yellow"],
  admitted: ({ record }) => [" ", `${record} is fine now`],
  joined: ({ network, why }) => [" ", `joined network ${network}: ${why}`],
  left: ({ network, why }) => [" ", `left network ${network}: ${why}`],
  collected: ({ record, why }) => [" ", `took back ${record}: ${why}`],
  stale: ({ keys, why }) => ["!", `etcd does not tell of ${keys}: ${why}`, "yellow"],
  fresh: ({ keys, staleMs }) => [" ", `etcd tells of ${keys} again, after ${duration(staleMs)}`],
  doubt: ({ keys, why }) => ["!", `records of ${keys} may have gone unseen: ${why}`, "yellow"],
  underlay: ({ dev, address, mtu, was }) => [
    " ",
    `underlay ${dev} ${address}, mtu ${mtu}${was ? `, was ${was.address}, mtu ${was.mtu}` : ""}`,
  ],
  "tunnel-up": ({ peer, child, cipher, ms }) => ["+", `${child} to ${peer}: up in ${duration(ms)}, ${cipher}`, "green"],
  "tunnel-down": ({ peer, child, why }) => ["-", `${child} to ${peer}: down: ${why}`, "red"],
  "tunnel-rekeyed": ({ peer, child, cipher }) => ["~", `${child} to ${peer}: rekeyed, ${cipher}`, "dim"],
  "tunnel-rekey-failed": ({ peer, child, why }) => ["!", `${child} to ${peer}: no new keys: ${why}`, "yellow"],
  "tunnel-retrying": ({ peer, child, attempt, nextMs, why }) => [
    "!",
    `${child} to ${peer}: ${why} (attempt ${attempt}, next in ${duration(nextMs)})`,
    "red",
  ],
  "tunnel-duplicate": ({ peer, ended }) => [
    " ",
    `IKE to ${peer}: stood more than once, ${counted(ended, "older one")} ended`,
  ],
  "tunnel-lost": ({ peer, child }) => ["?", `${child} to ${peer}: its SAs are gone from the kernel`, "yellow"],
  "charon-away": ({ why }) => ["!", `charon does not answer: ${why}; tunnels stay as they are`, "red"],
  "charon-back": ({ version, awayMs }) => [
    " ",
    awayMs === 0 ? `charon is there: ${version}` : `charon answers again after ${duration(awayMs)}: ${version}`,
  ],
  warned: ({ message, code }) => ["!", `${message} (${code})`, "yellow"],
  dropped: ({ count }) => ["!", `${counted(count, "event")} left out: this reader was too slow`, "yellow"],
};

function after(ms: number, { key, revision }: { key: string; revision?: string }): string {
  return `, ${duration(ms)} after ${key}${revision === undefined ? "" : ` at ${revision}`}`;
}

/** In the zone of who reads. */
function timeOfDay(time: string): string {
  const date = new Date(time);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0"));
  return `${parts.join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
