import { extname } from "node:path";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { ZoneNews } from "./facts.ts";
import { threadPrecedence } from "./precedence.ts";

/** What crosses in one post: taken in as a whole before the next answer. */
export type ThreadNews = readonly ZoneNews[] | "end";

export interface ThreadOptions {
  port: MessagePort;
  /** One word, that counts posts. */
  told: SharedArrayBuffer;
  /** The host's own resolv.conf. */
  resolvConf: string;
}

/** The thread that answers, as the agent's sees it. */
export interface NameThread {
  /** Every answer to a question read after this call knows of it. */
  tell(news: readonly ZoneNews[]): void;
  /** Closes all sockets and ends the thread. */
  close(): Promise<void>;
}

/** `.ts` when run from source, `.js` when built. */
const workerFile = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

/** @param failed told when the thread ends without being asked to: names are answered no more */
export function openThread(resolvConf: string, failed: (error: Error) => void): NameThread {
  const { port1: port, port2 } = new MessageChannel();
  const told = new Int32Array(new SharedArrayBuffer(4));
  const workerData: ThreadOptions = { port: port2, told: told.buffer, resolvConf };
  const worker = new Worker(workerFile, {
    workerData,
    transferList: [port2],
    execArgv: [],
    // Descriptors of sockets come from elsewhere and are closed by whoever serves them.
    trackUnmanagedFds: false,
    // Most of what it holds is names, which live long; questions leave little behind.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  const goFirst = threadPrecedence();
  let isClosing = false;
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.on("error", (cause) => failed(new Error("Cannot answer for names: the thread threw", { cause })));
  worker.on("exit", () => {
    if (!isClosing) failed(new Error("Cannot answer for names: the thread has ended"));
  });

  /**
   * With the precedence of the thread that hears it: that thread wakes while the port's lock is held here, and would else
   * take the processor and then wait for this one, which on a busy host has to wait for its turn.
   */
  function post(news: ThreadNews): void {
    goFirst(true);
    port.postMessage(news);
    Atomics.add(told, 0, 1);
    goFirst(false);
  }

  return {
    tell: post,
    async close() {
      isClosing = true;
      // The thread closes the port when it has heard.
      post("end");
      await ended;
    },
  };
}
