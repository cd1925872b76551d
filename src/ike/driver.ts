import { isDeepStrictEqual } from "node:util";
import { Subject } from "rxjs";
import type { Child, Connection } from "../desired/rows.ts";
import type { Driver, Failure, Notice, Operation } from "../reconcile/kind.ts";
import { type Composer, compose } from "./compose.ts";
import { failureOf } from "./failure.ts";
import { type Loaded, loadedOf, monotonicMs, rowsOf } from "./loaded.ts";
import { isRevoked } from "./renewal.ts";
import { tunnelName } from "./tunnel-key.ts";
import { ask, listed } from "./vici/commands.ts";
import { ViciError } from "./vici/error.ts";
import type { ViciLink } from "./vici/link.ts";

/** The driver, and what it knows of charon beside. */
export interface TunnelDriver {
  driver: Driver<"tunnel">;
  /** What charon was told, by connection; what it was before charon went away, while it is away. */
  readonly loaded: ReadonlyMap<string, Loaded>;
  /** Looks, and has the engine look: charon is there. */
  opened(link: Pick<ViciLink, "commands" | "long">): Promise<void>;
}

/** A connection is another now, or gone; `was` and `now` are what charon was told before and after, `by` whom it was. */
export type Changed = (conn: string, was: Loaded | undefined, now: Loaded | undefined, by: "us" | "others") => void;

type Link = Pick<ViciLink, "commands" | "long">;
type Errand = { index: number; operation: Operation<"tunnel"> };

/**
 * `link` is asked for at each call: it is there before anything is listed or applied. Nothing is listed before `tried`, the
 * end of the first try to reach charon: what it was told by an agent before would be taken for missing, and told again.
 */
export function tunnelDriver(
  link: () => Link,
  tried: Promise<void>,
  composer: Composer,
  changed: Changed,
): TunnelDriver {
  const notices = new Subject<Notice>();
  const loaded = new Map<string, Loaded>();
  /** Counts what was told, so that a list that began before it is not taken for what is there after it. */
  let writes = 0;

  return {
    loaded,
    async opened(opening) {
      await look(opening);
      notices.next({ type: "relist", scope: "host", kinds: ["tunnel"], why: "charon is there" });
    },
    driver: {
      kind: "tunnel",
      notices$: notices.asObservable(),
      async list(scope) {
        if (scope !== "host") return [];
        await tried;
        try {
          await look(link());
        } catch (error) {
          // A charon that is not there has not been told anything; of one that was, nothing is known until it answers.
          if (loaded.size > 0 || !(error instanceof ViciError && error.code === "AWAY")) throw error;
        }
        return rowsOf(loaded);
      },
      async apply(_scope, operations) {
        const answers: (Failure | undefined)[] = operations.map(() => undefined);
        const errands = operations.map((operation, index) => ({ operation, index }));
        const connections = Map.groupBy(errands, ({ operation }) => tunnelName(operation.row.key).conn);
        await Promise.all([...connections].map(([conn, mine]) => applyTo(conn, mine, answers)));
        return answers;
      },
    },
  };

  async function look(from: Link): Promise<void> {
    const before = writes;
    const events = await listed(from.long(), "list-conns");
    if (writes !== before) return look(from);
    const found = loadedOf(events, composer);
    const names = new Set([...loaded.keys(), ...found.keys()]);
    for (const name of names) note(name, found.get(name), "others");
  }

  /** One load-conn, or its opposite, for all that is to be done to a connection. */
  async function applyTo(conn: string, errands: Errand[], answers: (Failure | undefined)[]): Promise<void> {
    const wish = wishOf(loaded.get(conn), errands);
    try {
      if (wish.connection) await load(conn, { connection: wish.connection, children: wish.children });
      else await unload(conn);
    } catch (error) {
      for (const { index } of errands) answers[index] = failureOf(error);
      return;
    }
    for (const { index, operation } of wish.connection ? [] : errands)
      if (operation.verb !== "remove") answers[index] = missing(operation.row.key, conn);
  }

  async function load(conn: string, wish: Loaded): Promise<void> {
    const was = loaded.get(conn);
    const isTaken = was !== undefined && isRevoked(was.connection, wish.connection);
    const revokedAt = isTaken ? monotonicMs() : was?.revokedAt;
    const told = { ...wish, ...(revokedAt !== undefined && { revokedAt }) };
    await ask(link().commands(), "load-conn", { [conn]: compose(told, composer) });
    note(conn, told, "us");
    writes++;
  }

  async function unload(conn: string): Promise<void> {
    const commands = link().commands();
    await ask(commands, "unload-conn", { name: conn }).catch((error: unknown) => {
      // Not there: as wished.
      if (!(error instanceof ViciError && error.code === "REFUSED")) throw error;
    });
    note(conn, undefined, "us");
    writes++;
  }

  function note(conn: string, now: Loaded | undefined, by: "us" | "others"): void {
    const was = loaded.get(conn);
    if (isDeepStrictEqual(was, now)) return;
    if (now) loaded.set(conn, now);
    else loaded.delete(conn);
    changed(conn, was, now, by);
  }
}

function wishOf(now: Loaded | undefined, errands: readonly Errand[]) {
  let connection: Connection | undefined = now?.connection;
  const children = new Map(now?.children);
  for (const { operation } of errands) {
    const { child } = tunnelName(operation.row.key);
    const value = operation.verb === "remove" ? undefined : (operation.row.value as Connection | Child);
    if (child === undefined) connection = value?.type === "connection" ? value : undefined;
    else if (value?.type === "child") children.set(child, value);
    else children.delete(child);
  }
  return { connection, children };
}

function missing(key: string, conn: string): Failure {
  return {
    code: "CONNECTION_MISSING",
    message: `Cannot add tunnel ${key}: expected ${conn} first, got none`,
    next: "retry",
  };
}
