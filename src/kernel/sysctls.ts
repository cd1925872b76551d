import {
  endWith,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  interval,
  merge,
  mergeMap,
  share,
  takeUntil,
  tap,
} from "rxjs";
import type { RowOf, Scope, Values } from "../desired/rows.ts";
import type { Driver, Failure, Notice, Observed } from "../reconcile/kind.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import { MessageReader } from "./netlink/reader.ts";

/** How long a change may go unseen where the kernel says nothing of it. One round takes ~50 µs a scope. */
const pollMs = 500;
/** RTM_NEWNETCONF of rtnetlink.h: forwarding, rp_filter or proxy_arp changed, or an interface came with its own. */
const newNetconf = 80;

type Setting = Values["sysctl"];

/**
 * Settings below /proc/sys; those read or written are watched from then on. One is written only where it differs. A
 * removed row leaves its value as it is, since nobody knows what it was before. A name that the kernel does not have is
 * found as `{ value: "", optional: true }`, with which an optional wish is content.
 */
export function sysctlDriver(kernel: Kernel): Driver<"sysctl"> & Required<Pick<Driver<"sysctl">, "read">> {
  /** By name, the value last told. */
  const watched = new Map<Scope, Map<string, string | undefined>>();
  const closed$ = kernel.events$.pipe(ignoreElements(), endWith("closed"));
  const polled$ = interval(pollMs).pipe(
    takeUntil(closed$),
    exhaustMap(() => from([...watched.keys()]).pipe(mergeMap(changesIn))),
  );
  const told$ = kernel.events$.pipe(
    tap((event) => {
      // Values of a namespace that is gone are no measure for the next of its name.
      if (event.type === "vanished") watched.delete(event.scope);
    }),
    filter(tellsOfSettings),
    mergeMap(({ scope }) => changesIn(scope)),
  );

  return {
    kind: "sysctl",
    same: isContent,
    // Shared, since what was told to one would be no news to another.
    notices$: merge(polled$, told$).pipe(
      mergeMap((notices) => notices),
      share(),
    ),
    // Nothing in the kernel says which settings are ours.
    list: async () => [],
    read,
    async apply(scope, operations) {
      const failures = await write(
        scope,
        operations.flatMap(({ verb, row }) => (verb === "remove" ? [] : (row as RowOf<"sysctl">))),
      );
      for (const { verb, row } of operations) if (verb === "remove") watched.get(scope)?.delete(row.key);
      return operations.map(({ row }) => failures.get(row.key));
    },
  };

  async function read(scope: Scope, keys: readonly string[]): Promise<Observed<"sysctl">[]> {
    const answer = await kernel.readSysctls(scope, keys);
    if (!answer.ok && answer.failure.next === "wait") return [];
    if (!answer.ok) throw new Error(answer.failure.message);
    return keys.map((key, at) => told(scope, key, answer.value[at]));
  }

  async function write(scope: Scope, wishes: readonly RowOf<"sysctl">[]): Promise<Map<string, Failure | undefined>> {
    const names = wishes.map(({ key }) => key);
    const before = names.length === 0 ? { ok: true as const, value: [] } : await kernel.readSysctls(scope, names);
    if (!before.ok) return new Map(names.map((name) => [name, before.failure]));
    wishes.forEach(({ key }, at) => {
      told(scope, key, before.value[at]);
    });
    const due = wishes.filter(({ value }, at) => !isContent(value, settingOf(before.value[at])));
    if (due.length === 0) return new Map();
    const answer = await kernel.writeSysctls(
      scope,
      due.map(({ key, value }) => [key, value.value]),
    );
    return new Map(
      due.map(({ key, value }, at) => {
        const failure = answer.ok ? answer.value[at] : answer.failure;
        if (!failure) told(scope, key, value.value);
        return [key, failure];
      }),
    );
  }

  async function changesIn(scope: Scope): Promise<Notice[]> {
    const last = watched.get(scope) ?? new Map<string, string | undefined>();
    if (last.size === 0) return [];
    const names = [...last.keys()];
    const answer = await kernel.readSysctls(scope, names);
    if (!answer.ok) {
      // A namespace that comes again is read again, as far as anything is still wished in it.
      if (answer.failure.next === "wait") watched.delete(scope);
      return [];
    }
    const changed = names.filter((name, at) => last.has(name) && last.get(name) !== answer.value[at]);
    return changed.map((name) => ({ type: "present", row: told(scope, name, answer.value[names.indexOf(name)]) }));
  }

  function told(scope: Scope, key: string, value: string | undefined): Observed<"sysctl"> {
    const last = watched.get(scope) ?? new Map<string, string | undefined>();
    watched.set(scope, last.set(key, value));
    return { kind: "sysctl", scope, key, value: settingOf(value) };
  }
}

function settingOf(value: string | undefined): Setting {
  return value === undefined ? { value: "", optional: true } : { value };
}

/** Several numbers are read with tabs between them, however they were written. */
function isContent(wish: Setting, found: Setting): boolean {
  const isMissing = found.optional === true && found.value === "";
  return isMissing ? wish.optional === true : words(wish.value) === words(found.value);
}

function words(value: string): string {
  return value.trim().split(/\s+/).join(" ");
}

function tellsOfSettings(event: KernelEvent): boolean {
  if (event.type !== "messages" || event.protocol !== "route") return false;
  const message = new MessageReader(event.bytes);
  while (message.next()) if (message.type === newNetconf) return true;
  return false;
}
