import { decide } from "./decide.ts";
import { Doer, type Retelling } from "./doer.ts";
import type { Changed } from "./driver.ts";
import { isStrange, type Loaded, monotonicMs } from "./loaded.ts";
import { observe } from "./observe.ts";
import { type Choice, outgoingOf } from "./outgoing.ts";
import { type Memory, type Peer, upOn } from "./peer.ts";
import { type IkeSa, isLive, sasOf } from "./sa.ts";
import { settled } from "./settle.ts";
import type { Timings } from "./timings.ts";
import type { TunnelEvent } from "./tunnel-event.ts";
import { connPrefix, peerOf } from "./tunnel-key.ts";
import type { Lost } from "./tunnels.ts";
import { settleMs, TurnTimer } from "./turn-timer.ts";
import { type Event, listed } from "./vici/commands.ts";
import { ViciError } from "./vici/error.ts";
import type { ViciLink } from "./vici/link.ts";
import { type Message, sectionsOf, text } from "./vici/message.ts";
import { forgetSas, hearEvent, hearLine, newWatched, noteChange, noteLost, type Watched, whyNow } from "./watched.ts";

export interface SupervisorOptions {
  host: string;
  timings: Timings;
  /** charon, while it is there. @throws ViciError */
  link: () => Pick<ViciLink, "commands" | "long">;
  loaded: ReadonlyMap<string, Loaded>;
  choice?: Choice;
  driver: Retelling;
  tell(event: TunnelEvent): void;
}

/** Which events it goes by. */
export const heard: readonly Event[] = ["log", "ike-updown", "ike-rekey", "child-updown", "child-rekey"];

/** With more peers to look at than this, all SAs are listed at once: charon goes through all of them for one as well. */
const fewPeers = 8;
/** All SAs are listed no more often than this; a few peers are looked at meanwhile. */
const wholeMs = 200;

/**
 * Sees to it that each child that charon was told of is up, once. Events only say where to look: what is done follows
 * from what charon lists then, so that an event that is missed or comes late costs time and nothing else.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #dirty = new Set<string>();
  readonly #turns: TurnTimer;
  readonly #doer: Doer;
  readonly #losses: Lost[] = [];
  /** Everything is to be looked at, not only what is dirty. */
  #isAllDirty = false;
  #wholeAt = Number.NEGATIVE_INFINITY;
  #process: string | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#doer = new Doer(options.link, options.choice, options.driver, ({ conn }) => this.#wake(conn, settleMs));
    this.#turns = new TurnTimer(
      () => this.#turn(),
      options.timings.pollMs,
      () => {
        this.#isAllDirty = true;
      },
    );
  }

  /** charon is there, and `loaded` is what it was told. `process` tells one charon from the next. */
  opened(process: string): void {
    if (this.#process !== undefined && this.#process !== process) this.#forgetSas();
    this.#process = process;
    // What could not be replaced while charon was away has its time from now on.
    for (const { memory } of this.#watched.values())
      if (memory.revokeSince !== undefined) memory.revokeSince = performance.now();
    this.#isAllDirty = true;
    this.#turns.open();
  }

  #forgetSas(): void {
    const why = "charon started anew";
    // Of a charon that was killed they stay in the kernel, and nobody else knows of them.
    const orphans = [...this.#watched.values()]
      .flatMap(({ sas }) => sas)
      .flatMap((sa) => sa.children.map((child) => outgoingOf(sa, child)));
    for (const orphan of orphans) void this.#options.choice?.leave(orphan);
    for (const watched of this.#watched.values())
      for (const child of forgetSas(watched, performance.now()))
        this.#options.tell({ type: "tunnel-down", peer: peerOf(watched.conn), child, why });
  }

  closed(): void {
    this.#turns.close();
    this.#doer.forget(this.#watched.values());
  }

  hear(event: Event, message: Message): void {
    const now = performance.now();
    if (event === "log") this.#hearLine(message, now);
    const isUp = text(message, "up") === "yes";
    for (const [conn, sa] of sectionsOf(message)) {
      if (!conn.startsWith(connPrefix)) continue;
      hearEvent(this.#watch(conn), event, isUp, sa, now);
      this.#wake(conn, isUp ? 0 : settleMs);
    }
  }

  changed(...[conn, was, now, by, at]: Parameters<Changed>): void {
    noteChange(this.#watch(conn), was, now, by, at);
    this.#wake(conn, 0);
  }

  /** While charon is away there is nothing to compare with: what stands then is asked for when it is back. */
  lost(news: Lost): void {
    if (!this.#turns.isOpen) return;
    this.#losses.push(news);
    this.#isAllDirty = true;
    this.#turns.within(settleMs);
  }

  /** New keys for what is up. */
  rekey(conn: string, child: string): void {
    this.#watch(conn).memory.wishes.set(child, performance.now());
    this.#wake(conn, 0);
  }

  /** Whether nothing is wanted, and no SA of ours was there when charon was last looked at. */
  isEmpty(): boolean {
    return this.#options.loaded.size === 0 && this.#watched.size === 0;
  }

  /** What is remembered of a peer's connection. */
  watched(conn: string): Watched | undefined {
    return this.#watched.get(conn);
  }

  #watch(conn: string): Watched {
    const known = this.#watched.get(conn) ?? newWatched(conn);
    this.#watched.set(conn, known);
    return known;
  }

  #wake(conn: string, ms: number): void {
    this.#dirty.add(conn);
    this.#turns.within(ms);
  }

  #hearLine(message: Message, now: number): void {
    const conn = text(message, "ikesa-name");
    const line = text(message, "msg");
    const group = text(message, "group");
    // These two tell of each packet.
    if (!conn?.startsWith(connPrefix) || line === undefined || group === "ENC" || group === "NET") return;
    if (hearLine(this.#watch(conn), line, now)) this.#wake(conn, settleMs);
  }

  /** Looks, and does what is to be done. Answers when to look again. */
  async #turn(): Promise<number> {
    const now = performance.now();
    for (const { conn, again } of this.#watched.values())
      if (again !== undefined && again <= now) this.#dirty.add(conn);
    const wholeAt = this.#wholeAt + wholeMs;
    const isWhole = (this.#isAllDirty || this.#dirty.size > fewPeers) && now >= wholeAt;
    const names = isWhole ? [] : [...this.#dirty].slice(0, fewPeers);
    try {
      if (isWhole) await this.#lookAtAll();
      else await this.#lookAt(names);
    } catch (error) {
      // charon went away, and the link says so: when it is back all are looked at.
      if (!(error instanceof ViciError)) throw error;
    }
    if (this.#isAllDirty || this.#dirty.size > 0) return Math.max(wholeAt, performance.now() + settleMs);
    return this.#watched.values().reduce((next, { again = next }) => Math.min(next, again), Number.POSITIVE_INFINITY);
  }

  async #lookAtAll(): Promise<void> {
    const losses = [...this.#losses];
    this.#isAllDirty = false;
    this.#dirty.clear();
    const asOf = performance.now();
    this.#wholeAt = asOf;
    const sas = sasOf(await listed(this.#options.link().long(), "list-sas"));
    this.#losses.splice(0, losses.length);
    const found = Map.groupBy(sas, ({ conn }) => conn);
    const missing = [...this.#watched.values()].filter(({ memory, conn }) => isMissing(memory, found.get(conn) ?? []));
    if (missing.length <= fewPeers)
      await Promise.all(missing.map(async ({ conn }) => found.set(conn, await this.#list(conn))));
    const conns = new Set([...this.#options.loaded.keys(), ...found.keys(), ...this.#watched.keys()]);
    await Promise.all([...conns].flatMap((conn) => this.#act(conn, found.get(conn) ?? [], losses, asOf)));
  }

  async #lookAt(conns: readonly string[]): Promise<void> {
    for (const conn of conns) this.#dirty.delete(conn);
    const look = async (conn: string) => {
      const asOf = performance.now();
      const sas = await this.#list(conn);
      // Children that move to another IKE_SA, for it is rekeyed, may be on neither while charon goes through them.
      const isSure = !isMissing(this.#watch(conn).memory, sas);
      await Promise.all(this.#act(conn, isSure ? sas : await this.#list(conn), [], asOf));
    };
    await Promise.all(conns.map(look));
  }

  async #list(conn: string): Promise<IkeSa[]> {
    return sasOf(await listed(this.#options.link().long(), "list-sas", { ike: conn }));
  }

  #act(conn: string, sas: readonly IkeSa[], losses: readonly Lost[], asOf: number): Promise<void>[] {
    const { host, timings, loaded, tell } = this.#options;
    const watched = this.#watch(conn);
    const { memory } = watched;
    for (const news of losses)
      for (const child of noteLost(watched, sas, news, performance.now()))
        tell({ type: "tunnel-lost", peer: peerOf(conn), child });
    watched.sas = sas;
    const peer = peerNow(conn, host, loaded.get(conn), sas);
    const now = performance.now();
    const moment = { now, asOf, random: Math.random(), why: whyNow(watched, now) };
    for (const event of observe(peer, memory, moment, timings)) tell(event);
    const { steps, again } = decide(peer, memory, now, timings);
    watched.again = again;
    for (const event of settled(conn, steps)) tell(event);
    if (peer.wanted.length === 0 && sas.length === 0) this.#watched.delete(conn);
    return steps.map((step) => this.#doer.take(watched, step));
  }
}

/** Whether a child that was up is not. */
function isMissing({ up }: Memory, sas: readonly IkeSa[]): boolean {
  const live = sas.filter(isLive);
  return up.keys().some((name) => !upOn(live, name));
}

function peerNow(conn: string, host: string, loaded: Loaded | undefined, sas: readonly IkeSa[]): Peer {
  const ago = (at: number | undefined) => (at === undefined ? undefined : monotonicMs() - at);
  return {
    ...{ conn, sas, isLower: host < peerOf(conn), wanted: [...(loaded?.children.keys() ?? [])] },
    ...{ revokedMs: ago(loaded?.revokedAt), toldMs: ago(loaded?.toldAt) },
    isStrange: loaded !== undefined && isStrange(loaded),
  };
}
