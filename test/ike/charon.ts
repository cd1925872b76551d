import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Daemon, daemonIn } from "../../src/lab/daemon.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { connects } from "../../src/lab/socket.ts";

/**
 * charon on a host of a lab, with ESP in user space (kernel-libipsec), so that no kernel needs any: tunnel mode in UDP
 * only, between prefixes that differ.
 */
export interface Charon extends Omit<Daemon, "start"> {
  readonly socket: string;
  readonly log: string;
  /** Resolves when it answers. */
  start(): Promise<void>;
}

/** The socket is removed by a charon that ends in good order only. */
export async function charonOn(lab: Lab, host: Host): Promise<Charon> {
  const directory = join(lab.directory, `charon-${host.name}`);
  const socket = join(directory, "charon.vici");
  const log = join(directory, "charon.log");
  const conf = join(directory, "strongswan.conf");
  await mkdir(directory, { recursive: true });
  await writeFile(conf, settings(socket, log));
  const daemon = daemonIn(host, {
    title: `charon of ${host.name}`,
    command: ["env", `STRONGSWAN_CONF=${conf}`, "charon-systemd"],
    log: join(directory, "output"),
    socket,
  });
  return {
    ...daemon,
    socket,
    log,
    async start() {
      if (daemon.pid() !== undefined) return;
      await daemon.start();
      await daemon.whileRunning((signal) => connects(socket, signal));
    },
  };
}

function settings(socket: string, log: string): string {
  return `charon-systemd {
  load = random nonce openssl pem pkcs1 pkcs8 pubkey constraints hmac kdf sha2 gcm kernel-libipsec kernel-netlink socket-default vici
  threads = 24
  retransmit_timeout = 0.3
  retransmit_tries = 2
  delete_rekeyed_delay = 1
  half_open_timeout = 10
  cookie_threshold = 0
  block_threshold = 0
  plugins {
    vici {
      socket = unix://${socket}
    }
    kernel-libipsec {
      load = yes
    }
  }
  journal {
    default = -1
  }
  filelog {
    f {
      path = ${log}
      flush_line = yes
      time_format = %T
      time_add_ms = yes
      default = 1
    }
  }
}
`;
}
