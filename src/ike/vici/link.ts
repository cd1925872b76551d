import { ask, type Event } from "./commands.ts";
import { openConnection, patienceMs, type ViciConnection } from "./connection.ts";
import { ViciError } from "./error.ts";
import type { Message } from "./message.ts";

/**
 * charon, as long as it is there: three connections, of which two carry calls, so that a list or a deletion that takes
 * its time keeps no short call waiting, and one carries events. They come and go together.
 */
export interface ViciLink {
  /** What charon says it is; undefined while it is away. */
  readonly version: string | undefined;
  /** For calls that are answered at once. @throws ViciError at once while charon is away, with why it is */
  commands(): ViciConnection;
  /** For streams, and for what waits for a peer. @throws as `commands` */
  long(): ViciConnection;
  stop(): void;
}

export interface LinkOptions {
  path: string;
  /** What is heard from the first moment on; those that this charon does not have are passed over. */
  events: readonly Event[];
  hear(event: Event, message: Message): void;
  /** charon is there. What fails here ends the connections: it is tried again from the start. */
  opened(link: ViciLink): Promise<void>;
  /** It is not there, or not any more; called again only where the reason is another. */
  lost(why: ViciError): void;
  /** Between tries; doubles from the first to the last. */
  backoffMs?: { first: number; most: number };
  timeoutMs?: number;
}

/** Connects now, and again whenever the connection has ended. */
export function keepLink(options: LinkOptions): ViciLink {
  const { first, most } = options.backoffMs ?? { first: 100, most: 2_000 };
  let open: { commands: ViciConnection; long: ViciConnection; events: ViciConnection; version: string } | undefined;
  let why = new ViciError("AWAY", `Cannot ask ${options.path}: expected charon, not looked for it yet`);
  let told: string | undefined;
  let pauseMs = first;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const link: ViciLink = {
    get version() {
      return open?.version;
    },
    commands: () => (open ?? away()).commands,
    long: () => (open ?? away()).long,
    stop() {
      stopped = true;
      clearTimeout(timer);
      why = new ViciError("AWAY", `Cannot ask ${options.path}: expected to be in use, got stopped`);
      close();
    },
  };
  void attempt();
  return link;

  function away(): never {
    throw why;
  }

  async function attempt(): Promise<void> {
    const opened: ViciConnection[] = [];
    let gone = false;
    try {
      const [commands, long, events] = await openAll(opened);
      // Answered only by a charon that works, not by the queue of a socket whose process is stopped.
      const said = await ask(commands, "version", {});
      await registerAll(events);
      if (stopped) return abandon(opened);
      open = { commands, long, events, version: `${said.daemon ?? "charon"} ${said.version ?? "of no version"}` };
      for (const connection of opened)
        connection.onEnd((reason) => {
          if (gone) return;
          gone = true;
          failed(reason);
        });
      const ended = opened.find((connection) => connection.ended)?.ended;
      if (ended) throw ended;
      await options.opened(link);
      if (gone) return;
      told = undefined;
      pauseMs = first;
    } catch (error) {
      abandon(opened);
      if (gone || stopped) return;
      gone = true;
      failed(error instanceof ViciError ? error : unusable(error));
    }
  }

  /** Also those that opened beside one that failed are in `opened`, to be closed. */
  async function openAll(opened: ViciConnection[]): Promise<[ViciConnection, ViciConnection, ViciConnection]> {
    const one = async () => {
      const connection = await openConnection(options.path, options.timeoutMs ?? patienceMs);
      opened.push(connection);
      return connection;
    };
    const three = [one(), one(), one()] as const;
    await Promise.allSettled(three);
    return Promise.all(three);
  }

  async function registerAll(events: ViciConnection): Promise<void> {
    for (const event of options.events) {
      try {
        await events.register(event, (message) => options.hear(event, message));
      } catch (error) {
        if (!(error instanceof ViciError && error.code === "UNKNOWN_EVENT")) throw error;
      }
    }
  }

  function failed(reason: ViciError): void {
    why = reason;
    close();
    if (stopped) return;
    if (told !== reason.message) options.lost(reason);
    told = reason.message;
    timer = setTimeout(() => void attempt(), pauseMs);
    pauseMs = Math.min(most, pauseMs * 2);
  }

  function close(): void {
    const { commands, long, events } = open ?? {};
    open = undefined;
    for (const connection of [commands, long, events]) connection?.close();
  }

  function abandon(connections: readonly ViciConnection[]): void {
    for (const connection of connections) connection.close();
  }
}

/** Not charon's fault: what it is to be told at its start is not to be had. */
function unusable(error: unknown): ViciError {
  return new ViciError("AWAY", error instanceof Error ? error.message : String(error), error);
}
