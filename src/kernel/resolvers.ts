import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { endWith, ignoreElements, interval, mergeMap, share, takeUntil } from "rxjs";
import { mark, type Values } from "../desired/rows.ts";
import type { Driver, Failure, Notice, Observed, Operation } from "../reconcile/kind.ts";
import type { Kernel } from "./kernel.ts";

type Resolver = Values["resolver"];

const kind = "resolver";
const scope = "host";
/** How long a change may go unseen; a look takes some 5 µs a file. */
const pollMs = 500;
const fileName = "resolv.conf";

/**
 * Files that `ip netns exec` lays over /etc/resolv.conf. Ours begin with a line of ours; one that does not is somebody's
 * wish, and is neither overwritten nor removed.
 */
export function resolverDriver(kernel: Pick<Kernel, "events$">, directory = "/etc/netns"): Driver<"resolver"> {
  /** Files that are ours or were wished, by path, with what would tell that one is another. */
  const watched = new Map<string, string>();
  const closed$ = kernel.events$.pipe(ignoreElements(), endWith("closed"));

  return {
    kind,
    same: (wish, found) => "foreign" in found || wish.text === found.text,
    notices$: interval(pollMs).pipe(
      takeUntil(closed$),
      mergeMap(() => changes()),
      share(),
    ),
    async list(where) {
      if (where !== scope) return [];
      const found = files(directory).flatMap((file) => look(file) ?? []);
      // Of others' files only those in whose place ours would be.
      return found.filter(({ key, value }) => !("foreign" in value) || watched.has(key));
    },
    apply: async (_scope, operations) => operations.map(applyOne),
  };

  function applyOne({ verb, row }: Operation<"resolver">): Failure | undefined {
    try {
      if (verb === "remove") remove(row.key);
      else write(row.key, (row.value as Resolver).text);
      return undefined;
    } catch (error) {
      const { code = "EIO", message } = error as NodeJS.ErrnoException;
      return { code, message: `Cannot write ${row.key}: ${message}`, next: "retry" };
    }
  }

  function write(file: string, text: string): void {
    const found = read(file);
    if (found === undefined || (!("foreign" in found) && found.text !== text)) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      // In one step: a resolver reads the whole of it or of the old one.
      const draft = `${file}.skein`;
      writeFileSync(draft, text);
      // Whatever the agent's umask: programs in the container are not all root's.
      chmodSync(draft, 0o644);
      renameSync(draft, file);
    }
    watched.set(file, stampOf(file));
  }

  function remove(file: string): void {
    watched.delete(file);
    const found = read(file);
    if (found === undefined || "foreign" in found) return;
    rmSync(file, { force: true });
    try {
      rmdirSync(dirname(file));
    } catch {
      // Not empty: something else is kept there for the namespace.
    }
  }

  function changes(): Notice[] {
    const notices: Notice[] = [];
    for (const [file, seen] of watched) {
      const stamp = stampOf(file);
      if (stamp === seen) continue;
      watched.set(file, stamp);
      const row = look(file);
      notices.push(row ? { type: "present", row } : { type: "absent", kind, scope, key: file });
    }
    return notices;
  }

  function look(file: string): Observed<"resolver"> | undefined {
    const value = read(file);
    if (value && !("foreign" in value) && !watched.has(file)) watched.set(file, stampOf(file));
    return value && { kind, scope, key: file, value };
  }
}

function read(file: string): Resolver | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.startsWith(mark.resolver) ? { text } : { text: "", foreign: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** "" while there is none. */
function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

function files(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name, fileName));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
