import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { daemonIn } from "./daemon.ts";
import type { Place } from "./place.ts";
import { answer } from "./socket.ts";

/** The lab's etcd: one member, on the wire. Its data survive `stop` and `kill`. */
export interface Etcd {
  /** Where the hosts reach it: `http://10.99.0.254:2379`. */
  readonly endpoint: string;
  /** Where this process reaches it, in etcd3's writing: `unix:/tmp/skein-lab-.../etcd/localhost:2379`. */
  readonly socket: string;
  /** Resolves when it serves. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Until `resume` it answers nobody, while its connections stay (SIGSTOP). */
  pause(): Promise<void>;
  resume(): void;
  /** Standard output of `etcdctl` with these arguments, run on the wire. */
  ctl(args: readonly string[], input?: string): Promise<string>;
}

export function etcdOn(wire: Place, endpoint: string, directory: string): Etcd {
  // etcd takes the host of a unix:// URL as a path relative to where it runs.
  const socket = join(directory, "localhost:2379");
  const listen = ["--listen-client-urls", `${endpoint},unix://localhost:2379`, "--advertise-client-urls", endpoint];
  // A lab's data go with the lab, so there is nothing to sync to a disk.
  const store = ["--data-dir", join(directory, "data"), "--unsafe-no-fsync"];
  const daemon = daemonIn(wire, {
    title: "the lab's etcd",
    command: ["etcd", ...store, ...listen, "--log-level", "error"],
    log: join(directory, "log"),
    cwd: directory,
    socket,
  });
  return {
    endpoint,
    socket: `unix:${socket}`,
    async start() {
      if (daemon.pid() !== undefined) return;
      await mkdir(directory, { recursive: true });
      await daemon.start();
      // It listens before it can serve, and answers once it can.
      await daemon.whileRunning((signal) => answer(socket, "/health", signal));
    },
    stop: () => daemon.end("SIGTERM"),
    kill: () => daemon.end("SIGKILL"),
    pause: daemon.pause,
    resume: () => daemon.signal("SIGCONT"),
    ctl: (args, input) => wire.output("etcdctl", args, input === undefined ? {} : { input }),
  };
}
