import { isDeepStrictEqual } from "node:util";
import { Subject } from "rxjs";
import type { Child, Connection } from "../desired/rows.ts";
import type { Driver, Failure, Notice, Operation } from "../reconcile/kind.ts";
import { type Composer, compose } from "./compose.ts";
import { failureOf } from "./failure.ts";
import { isStrange, type Loaded, loadedOf, monotonicMs, rowsOf } from "./loaded.ts";
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
  /** Tells charon of the connection again, so that a CHILD_SA can be had of this child beside one that it has. */
  anew(conn: string, child: string): Promise<void>;
  /** Tells charon the same connection as another one, of which it has no IKE_SA. */
  retell(conn: string): Promise<void>;
  /** Looks, and has the engine look: charon is there. */
  opened(link: Pick<ViciLink, "commands" | "long">): Promise<void>;
}

/**
 * A connection is another now, or gone; `was` and `now` are what charon was told before and after, `by` whom it was, and
 * `at` when, of performance.now(): what was made before is by what it was.
 */
export type Changed = (
  conn: string,
  was: Loaded | undefined,
  now: Loaded | undefined,
  by: "us" | "others",
  at: number,
) => void;

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
  /** What is under way for each connection: it is told whole, from what the one before has left. */
  const turns = new Map<string, Promise<unknown>>();
  /** Counts what was told, so that a list that began before it is not taken for what is there after it. */
  let writes = 0;

  return {
    loaded,
    anew: (conn, child) => inTurn(conn, () => tellAnew(conn, child)),
    retell: (conn) => inTurn(conn, () => tellAgain(conn)),
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
        await Promise.all([...connections].map(([conn, mine]) => inTurn(conn, () => applyTo(conn, mine, answers))));
        return answers;
      },
    },
  };

  function inTurn<T>(conn: string, act: () => Promise<T>): Promise<T> {
    const mine = (turns.get(conn) ?? Promise.resolve()).then(act, act);
    const done = () => turns.get(conn) === mine && turns.delete(conn);
    turns.set(conn, mine);
    mine.then(done, done);
    return mine;
  }

  async function tellAnew(conn: string, child: string): Promise<void> {
    const told = loaded.get(conn);
    if (!told?.children.has(child) || isStrange(told)) return;
    await ask(link().commands(), "load-conn", { [conn]: compose(told, composer, { child, mark: `${monotonicMs()}` }) });
    writes++;
  }

  async function tellAgain(conn: string): Promise<void> {
    const told = loaded.get(conn);
    if (told && !isStrange(told)) await load(conn, { ...told, toldAt: monotonicMs() });
  }

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
    const at = performance.now();
    const isSame = was !== undefined && isDeepStrictEqual(was.connection, wish.connection);
    const toldAt = wish.toldAt ?? (isSame ? was.toldAt : monotonicMs());
    const isTaken = was !== undefined && isRevoked(was.connection, wish.connection);
    const revokedAt = isTaken ? monotonicMs() : was?.revokedAt;
    const next = {
      ...wish,
      ...(toldAt !== undefined && { toldAt }),
      ...(revokedAt !== undefined && { revokedAt }),
    };
    await ask(link().commands(), "load-conn", { [conn]: compose(next, composer) });
    note(conn, next, "us", at);
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

  function note(conn: string, now: Loaded | undefined, by: "us" | "others", at = performance.now()): void {
    const was = loaded.get(conn);
    if (isDeepStrictEqual(was, now)) return;
    if (now) loaded.set(conn, now);
    else loaded.delete(conn);
    changed(conn, was, now, by, at);
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
