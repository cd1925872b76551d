import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { daemonIn } from "./daemon.ts";
import type { HostPlace } from "./host.ts";
import { connects } from "./socket.ts";

/** charon on a host of the lab, with the configuration that is installed. What it tells the kernel stays when it is killed. */
export interface LabCharon {
  /** Its VICI socket: the default one in the host's own /run, by a path that leads there from everywhere. */
  readonly socket: string;
  pid(): number | undefined;
  /** Resolves when VICI can be spoken with it. @throws LabError DAEMON_ENDED */
  start(): Promise<void>;
  /** Ends it, without warning unless told otherwise; resolves when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it in good order: peers are told, and its SAs go. */
  stop(): Promise<void>;
  /** Until `resume` it does nothing, while its connections stay (SIGSTOP). */
  pause(): Promise<void>;
  resume(): void;
  /** What it has said, with the times of day. */
  log(): Promise<string>;
}

export interface CharonOptions {
  /**
   * Lines of the section `charon-systemd`, one setting each, which come last, so they win: `retransmit_timeout = 0.5`,
   * or a section, over several lines.
   */
  settings?: readonly string[];
}

export interface CharonPlace extends CharonOptions {
  host: HostPlace;
  /** For its configuration and log. */
  directory: string;
}

const program = "/usr/sbin/charon-systemd";
/** The same file serves src and dist. */
const installed = join(import.meta.dirname, "../../deploy/strongswan.conf");

export async function charonOn({ host, directory, settings = [] }: CharonPlace): Promise<LabCharon> {
  const runtime = `/proc/${host.pid}/root/run/skein`;
  const socket = join(runtime, "charon.vici");
  const log = join(directory, "charon.log");
  const conf = join(directory, "strongswan.conf");
  await mkdir(directory, { recursive: true });
  await mkdir(runtime, { recursive: true });
  await writeFile(conf, configuration(log, settings));
  const daemon = daemonIn(host, {
    title: `charon of ${host.name}`,
    command: ["env", `STRONGSWAN_CONF=${conf}`, program],
    log,
    socket,
  });
  return {
    socket,
    pid: daemon.pid,
    async start() {
      if (daemon.pid() !== undefined) return;
      await daemon.start();
      await daemon.whileRunning((signal) => connects(socket, signal));
    },
    kill: (signal = "SIGKILL") => daemon.end(signal),
    stop: () => daemon.end("SIGTERM"),
    pause: daemon.pause,
    resume: () => daemon.signal("SIGCONT"),
    log: () => readFile(log, "utf8"),
  };
}

/** Whether Debian's package is there. */
export async function hasCharon(): Promise<boolean> {
  return access(program).then(
    () => true,
    () => false,
  );
}

/** Sections of one name are one, and of two values of a setting the later one holds. */
function configuration(log: string, settings: readonly string[]): string {
  return `include ${installed}
charon-systemd {
  journal {
    default = -1
    ike = -1
  }
  filelog {
    lab {
      path = ${log}
      append = yes
      flush_line = yes
      time_format = %T
      time_add_ms = yes
      default = 1
    }
  }
${settings.map((line) => `  ${line}`).join("\n")}
}
`;
}
