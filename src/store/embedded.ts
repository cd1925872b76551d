import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Backoff, pause } from "./backoff.ts";
import { connect } from "./client.ts";
import { type EtcdProcess, runEtcd } from "./etcd-process.ts";
import { StoreError } from "./failure.ts";

/** What an etcd of our own tells: that it answers, or that it died and will be started again. */
export type EmbeddedEvent = { type: "up"; pid: number } | { type: "down"; why: string };

export interface EmbeddedOptions {
  /** Made with mode 0700 where missing; holds the data and the socket. At most 80 bytes: a socket's path ends at 107. */
  directory: string;
  /** Also answers on 127.0.0.1, for etcdctl; only on its socket when absent. */
  port?: number;
  tell?(event: EmbeddedEvent): void;
}

export interface Embedded {
  /** For `connect`: `unix:<directory>/localhost:2379`. */
  readonly endpoint: string;
  /** Ends it in good order. */
  stop(): Promise<void>;
}

/** etcd makes a socket of this name in its working directory out of `unix://localhost:2379`; it takes no other form. */
const socketName = "localhost:2379";
const peerSocketName = "localhost:2380";
const longestDirectory = 107 - "/localhost:2379".length;
/** A start takes 0.3-0.7 s; a large log to replay takes longer. */
const startMs = 30_000;

/**
 * Runs Debian's etcd as a child of this process, for the installation of one machine, and starts it again when it dies.
 *
 * @throws Error when there is no etcd, or it does not answer within 30 s, with what it said
 */
export async function startEmbedded({ directory, port, tell = () => undefined }: EmbeddedOptions): Promise<Embedded> {
  if (Buffer.byteLength(directory) > longestDirectory)
    throw new RangeError(
      `Cannot start etcd in ${directory}: expected a path of at most ${longestDirectory} bytes, since a socket lies in it`,
    );
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const endpoint = `unix:${join(directory, socketName)}`;
  const stopping = new AbortController();
  const start = async () => {
    // A socket left by a kill stays in the way.
    await Promise.all([socketName, peerSocketName].map((name) => rm(join(directory, name), { force: true })));
    const child = runEtcd(embeddedArgs(directory, port), directory);
    try {
      await answers(endpoint, child, stopping.signal);
    } catch (error) {
      await child.end("SIGKILL");
      throw error;
    }
    tell({ type: "up", pid: child.pid });
    return child;
  };

  let child = await start();
  const watching = (async () => {
    const backoff = new Backoff(200, 5_000);
    for (;;) {
      let why = await child.exited;
      while (!stopping.signal.aborted) {
        tell({ type: "down", why });
        await backoff.pause(stopping.signal);
        if (stopping.signal.aborted) return;
        try {
          child = await start();
          break;
        } catch (error) {
          why = error instanceof Error ? error.message : String(error);
        }
      }
      if (stopping.signal.aborted) return;
    }
  })();
  return {
    endpoint,
    async stop() {
      stopping.abort();
      await child.end("SIGTERM");
      await watching;
    },
  };
}

function embeddedArgs(directory: string, port: number | undefined): string[] {
  const clients = [`unix://${socketName}`, ...(port === undefined ? [] : [`http://127.0.0.1:${port}`])].join(",");
  const peers = `unix://${peerSocketName}`;
  return [
    ...["--data-dir", join(directory, "data"), "--logger", "zap", "--log-level", "error"],
    ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
    // It has no peers: without these it would take TCP port 2380.
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", `default=${peers}`],
    // With nobody to elect against, a restart need not wait for votes: 0.3 s instead of 1-2 s.
    ...["--heartbeat-interval", "20", "--election-timeout", "200"],
    // Status is written every second: without compaction the data would grow without end.
    ...["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h"],
  ];
}

/** Resolves when etcd answers; asks with a client made anew each time, since one that failed remembers it. */
async function answers(endpoint: string, child: EtcdProcess, signal: AbortSignal): Promise<void> {
  let ended: string | undefined;
  void child.exited.then((why) => {
    ended = why;
  });
  const giveUp = performance.now() + startMs;
  while (!signal.aborted) {
    if (ended !== undefined) throw new Error(`Cannot start etcd: expected it to answer on ${endpoint}, but ${ended}`);
    const client = connect({ endpoints: [endpoint], deadlineMs: 1_000 });
    try {
      await client.get("ready");
      return;
    } catch (error) {
      if (error instanceof StoreError && error.code !== "unavailable") return;
      if (performance.now() > giveUp)
        throw new Error(`Cannot start etcd: expected it to answer on ${endpoint} within ${startMs / 1000} s`, {
          cause: error,
        });
      await pause(20, signal);
    } finally {
      client.close();
    }
  }
  throw new Error("Cannot start etcd: expected to go on, got stopped");
}
