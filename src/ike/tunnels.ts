import { stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { type Observable, Subject } from "rxjs";
import type { Ip } from "../model/address.ts";
import type { Driver } from "../reconcile/kind.ts";
import type { Composer } from "./compose.ts";
import { type Credentials, loadCredentials } from "./credentials.ts";
import { describeConnection } from "./describe.ts";
import { tunnelDriver } from "./driver.ts";
import type { Choice } from "./outgoing.ts";
import { type IkeSa, sasOf } from "./sa.ts";
import { heard, Supervisor } from "./supervisor.ts";
import { defaultTimings, type Timings } from "./timings.ts";
import type { TunnelEvent } from "./tunnel-event.ts";
import { connPrefix } from "./tunnel-key.ts";
import type { TunnelState } from "./tunnel-state.ts";
import { listed } from "./vici/commands.ts";
import { keepLink, type ViciLink } from "./vici/link.ts";
import { newWatched } from "./watched.ts";

/** Tunnels to peers, by charon: what it is told, and that what it was told is up. */
export interface Tunnels {
  /** Connections and children, as rows of the engine; see rows.ts. */
  readonly driver: Driver<"tunnel">;
  readonly events$: Observable<TunnelEvent>;
  /** Every child that charon was told of, by peer and child; never rejects. */
  list(): Promise<TunnelState[]>;
  /** The same as last seen, without asking charon; what is up may have sent more by now. */
  standing(): TunnelState[];
  state(): CharonState;
  /** SAs went from the kernel: those of them that charon takes for standing are made anew. */
  lost(news: Lost): void;
  /** New keys for what is up, beside those that it has until packets leave by the new; told as `tunnel-rekeyed`. */
  rekey(peer: string, child: string): void;
  /**
   * Asks for the credentials again and tells charon: a key came or went. While charon is away there is nobody to tell: it is
   * told when it is back.
   */
  reload(): Promise<void>;
  /** Resolves when charon has no SA of ours any more, or is not there: true; or after `ms`, since a peer may not answer: false. */
  emptied(ms: number): Promise<boolean>;
  /** Ends timers and connections; charon and its SAs stay as they are. */
  stop(): Promise<void>;
}

/** `since` in milliseconds of the Unix epoch. */
export type CharonState = { type: "away"; since: number; why: string } | { type: "connected"; version: string };

/** What the kernel tells of deletions: XFRM_MSG_DELSA with the SA's number and destination, XFRM_MSG_FLUSHSA. */
export type Lost =
  | { type: "deleted"; spi: number; dst: Ip }
  | { type: "flushed" }
  /** What may have gone while nobody listened: these stood at that moment of performance.now(), as `<destination> <SPI>`. */
  | { type: "standing"; sas: ReadonlySet<string>; at: number };

export interface TunnelsOptions {
  /** charon's VICI socket. */
  socket?: string;
  /** This host's name, by which it identifies itself. */
  host: string;
  /** Asked for at each start of charon. */
  credentials: () => Promise<Credentials> | Credentials;
  timings?: Partial<Timings>;
  /** Absent where charon's SAs are not the kernel's. */
  choice?: Choice;
  /** See Composer. */
  shape?: NonNullable<Composer["shape"]>;
}

/** Between looks at what is still to end. */
const emptiedMs = 50;

/** Reaches for charon at once, and for as long as it takes; nothing here waits for it. */
export function openTunnels(options: TunnelsOptions): Tunnels {
  const { host, socket = "/run/skein/charon.vici" } = options;
  const timings: Timings = { ...defaultTimings, ...options.timings };
  const events = new Subject<TunnelEvent>();
  const composer: Composer = { host, timings, ...(options.shape && { shape: options.shape }) };
  let charon: CharonState = { type: "away", since: Date.now(), why: "not looked for yet" };
  let awaySince: number | undefined;
  /** How often other credentials were asked for. */
  let reloads = 0;

  const first = Promise.withResolvers<void>();
  const { driver, loaded, opened, ...retelling } = tunnelDriver(
    () => link,
    first.promise,
    composer,
    (...change) => supervisor.changed(...change),
  );
  const supervisor = new Supervisor({
    ...{ host, timings, loaded, driver: retelling },
    link: () => link,
    tell: (event) => events.next(event),
    ...(options.choice && { choice: options.choice }),
  });
  const link: ViciLink = keepLink({
    path: socket,
    events: heard,
    hear: (event, message) => supervisor.hear(event, message),
    backoffMs: timings.reconnectMs,
    timeoutMs: timings.patienceMs,
    async opened(opening) {
      let known = reloads;
      await loadCredentials(opening.commands(), await options.credentials());
      const process = await birthOf(socket);
      await opened(opening);
      while (known !== reloads) {
        known = reloads;
        await loadCredentials(opening.commands(), await options.credentials());
      }
      const version = opening.version ?? "";
      charon = { type: "connected", version };
      events.next({ type: "charon-back", version, awayMs: awaySince === undefined ? 0 : Date.now() - awaySince });
      awaySince = undefined;
      supervisor.opened(process);
      first.resolve();
    },
    lost({ message: why }) {
      first.resolve();
      supervisor.closed();
      awaySince ??= Date.now();
      charon = { type: "away", since: awaySince, why };
      events.next({ type: "charon-away", why });
    },
  });

  return {
    driver,
    events$: events.asObservable(),
    list,
    standing: () => describe(undefined),
    state: () => charon,
    lost: (news) => supervisor.lost(news),
    rekey: (peer, child) => supervisor.rekey(`${connPrefix}${peer}`, child),
    async reload() {
      reloads++;
      if (charon.type === "connected") await loadCredentials(link.commands(), await options.credentials());
    },
    async emptied(ms) {
      for (const until = performance.now() + ms; charon.type === "connected"; await pause(emptiedMs)) {
        if (supervisor.isEmpty()) return true;
        if (performance.now() > until) return false;
      }
      return true;
    },
    async stop() {
      first.resolve();
      link.stop();
      supervisor.closed();
      events.complete();
    },
  };

  async function list(): Promise<TunnelState[]> {
    try {
      return describe(Map.groupBy(sasOf(await listed(link.long(), "list-sas")), ({ conn }) => conn));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return describe(undefined).map(({ peer, child, label }) => ({ peer, child, label, state: "unknown", why }));
    }
  }

  /** `sas` by connection; absent: as last seen. */
  function describe(sas: ReadonlyMap<string, readonly IkeSa[]> | undefined): TunnelState[] {
    const context = { host, timings, now: performance.now() };
    const connections = [...loaded].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return connections.flatMap(([conn, told]) => {
      const watched = supervisor.watched(conn) ?? newWatched(conn);
      return describeConnection(conn, told, watched, sas ? (sas.get(conn) ?? []) : watched.sas, context);
    });
  }
}

/**
 * Tells one charon from the next: each makes its socket anew. (It does say since when it runs, but reckons that at each
 * question, by two clocks of whole seconds.)
 */
async function birthOf(socket: string): Promise<string> {
  const { ino, birthtimeNs } = await stat(socket, { bigint: true });
  return `${ino} ${birthtimeNs}`;
}
