import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { daemonIn } from "../../src/lab/daemon.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { answer } from "../../src/lab/socket.ts";
import { type Client, connect } from "../../src/store/client.ts";

/** The etcd that is measured with: on the lab's wire, and on a unix socket for this process. */
export interface BenchEtcd {
  /** Where the hosts reach it. */
  readonly endpoint: string;
  /** A client of this process under a prefix, closed with the etcd. */
  client(prefix: string): Client;
  close(): void;
}

/**
 * The lab's own etcd takes 128 operations a transaction, as etcd does unless told otherwise; 1,000 peers in ten
 * transactions take 300. Its data are as lasting as the lab's, so nothing is synced to a disk: the disk is not measured.
 */
export async function startEtcd(lab: Lab): Promise<BenchEtcd> {
  const directory = join(lab.directory, "bench-etcd");
  const endpoint = `http://${lab.wire.address}:3379`;
  const store = ["--data-dir", join(directory, "data"), "--unsafe-no-fsync", "--max-txn-ops", "1024"];
  const listen = ["--listen-client-urls", `${endpoint},unix://localhost:3379`, "--advertise-client-urls", endpoint];
  const peers = ["--listen-peer-urls", "unix://localhost:3380", "--initial-advertise-peer-urls"];
  const cluster = ["unix://localhost:3380", "--initial-cluster", "default=unix://localhost:3380"];
  const daemon = daemonIn(lab.wire, {
    title: "the bench's etcd",
    command: ["etcd", ...store, ...listen, ...peers, ...cluster, "--log-level", "error"],
    log: join(lab.directory, "bench-etcd.log"),
    cwd: directory,
  });
  const socket = join(directory, "localhost:3379");
  await mkdir(directory);
  await daemon.start();
  await daemon.whileRunning((signal) => answer(socket, "/health", signal));
  const clients: Client[] = [];
  return {
    endpoint,
    client(prefix) {
      const client = connect({ endpoints: [`unix:${socket}`], prefix, deadlineMs: 30_000 });
      clients.push(client);
      return client;
    },
    close() {
      for (const client of clients) client.close();
    },
  };
}
