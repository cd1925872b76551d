import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../src/store/client.ts";
import type { ConnectOptions } from "../../src/store/connection.ts";
import { type EtcdProcess, runEtcd } from "../../src/store/etcd-process.ts";
import { StoreError } from "../../src/store/failure.ts";

/** A real etcd on 127.0.0.1 with data and ports of its own. */
export interface Etcd {
  readonly endpoint: string;
  readonly pid: number;
  /** A client under a prefix nobody else has, unless one is given; closed by `end`. */
  client(options?: Partial<ConnectOptions>): Client;
  /** SIGKILL, and gone. */
  kill(): Promise<void>;
  /** SIGSTOP: the kernel goes on taking connections for it, and nothing answers. */
  pause(): void;
  resume(): void;
  /** After `kill`: same data, same port. Resolves when it answers. */
  start(): Promise<void>;
  /** Copies the data as they are now (it must be down), and puts such a copy back. */
  saveData(): string;
  restoreData(copy: string): void;
  end(): Promise<void>;
}

export interface EtcdOptions {
  /** More arguments of etcd. */
  args?: readonly string[];
  /** How to connect to it, where that takes more than the endpoint: TLS, a user. `https` follows from `tls`. */
  connect?: Pick<ConnectOptions, "tls" | "user">;
}

export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const port = await freePort();
  // Alone it needs no peer port: a socket in its own directory takes the place.
  const peers = "unix://localhost:2380";
  const etcd = makeEtcd("default", port, options, [
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
    ...["--initial-cluster", `default=${peers}`, "--heartbeat-interval", "20", "--election-timeout", "200"],
  ]);
  await etcd.start();
  return etcd;
}

/**
 * Members that elect a leader among themselves:
 *
 *     etcd --name m0 --initial-cluster m0=http://127.0.0.1:P0,m1=http://127.0.0.1:P1,m2=http://127.0.0.1:P2
 *          --initial-advertise-peer-urls http://127.0.0.1:P0 --listen-peer-urls http://127.0.0.1:P0 (client URLs as alone)
 *
 * All must be started before any of them answers.
 */
export async function startCluster(size: number, options: EtcdOptions = {}): Promise<Etcd[]> {
  const peers = await Promise.all(Array.from({ length: size }, freePort));
  const cluster = peers.map((port, i) => `m${i}=http://127.0.0.1:${port}`).join(",");
  const members = await Promise.all(
    peers.map(async (peer, i) =>
      makeEtcd(`m${i}`, await freePort(), options, [
        ...[
          "--listen-peer-urls",
          `http://127.0.0.1:${peer}`,
          "--initial-advertise-peer-urls",
          `http://127.0.0.1:${peer}`,
        ],
        ...["--initial-cluster", cluster],
      ]),
    ),
  );
  await Promise.all(members.map((member) => member.start()));
  return members;
}

export async function leaderOf(members: readonly Etcd[]): Promise<Etcd> {
  for (const member of members) {
    const status = await member.client().etcd.maintenance.status();
    if (status.leader === status.header.member_id) return member;
  }
  throw new Error(`Cannot find the leader: expected one among ${members.length} members, got none`);
}

function makeEtcd(name: string, port: number, options: EtcdOptions, more: readonly string[]): Etcd {
  const directory = mkdtempSync(join(tmpdir(), `skein-etcd-${process.pid}-`));
  const data = join(directory, "data");
  const endpoint = `${options.connect?.tls ? "https" : "http"}://127.0.0.1:${port}`;
  const args = [
    ...["--name", name, "--data-dir", data, "--logger", "zap", "--log-level", "error", "--unsafe-no-fsync"],
    ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint],
    ...more,
    ...(options.args ?? []),
  ];
  const clients: Client[] = [];
  let child: EtcdProcess | undefined;
  let copies = 0;
  const kill = async () => {
    await child?.end("SIGKILL");
    child = undefined;
  };
  return {
    endpoint,
    get pid() {
      return child?.pid ?? 0;
    },
    client(given = {}) {
      const prefix = `/test-${randomBytes(4).toString("hex")}/`;
      const client = connect({ endpoints: [endpoint], prefix, ...options.connect, ...given });
      clients.push(client);
      return client;
    },
    kill,
    pause: () => process.kill(child?.pid ?? 0, "SIGSTOP"),
    resume: () => process.kill(child?.pid ?? 0, "SIGCONT"),
    async start() {
      child = runEtcd(args, directory);
      await answering(child, { endpoints: [endpoint], ...options.connect });
    },
    saveData() {
      const copy = join(directory, `copy-${++copies}`);
      cpSync(data, copy, { recursive: true });
      return copy;
    },
    restoreData(copy) {
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
    },
    async end() {
      for (const client of clients) client.close();
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Asks until it answers, with a client made anew each time: one that failed remembers it. */
async function answering(child: EtcdProcess, options: ConnectOptions): Promise<void> {
  let ended: string | undefined;
  void child.exited.then((why) => {
    ended = why;
  });
  for (;;) {
    if (ended !== undefined) throw new Error(`Cannot start etcd for a test: expected it to answer, but ${ended}`);
    const client = connect({ ...options, deadlineMs: 1_000 });
    try {
      await client.get("ready");
      return;
    } catch (error) {
      // Who refuses is there, too.
      if (error instanceof StoreError && error.code !== "unavailable") return;
      await delay(20);
    } finally {
      client.close();
    }
  }
}

/** etcd cannot be told port 0, so one is taken and given back: nothing on this machine is likely to take it in between. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port: expected an address");
  return address.port;
}
