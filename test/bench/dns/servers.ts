import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { daemonIn } from "../../../src/lab/daemon.ts";
import type { Place } from "../../../src/lab/place.ts";

/** A name server under measurement, pinned to the first core. */
export interface Server {
  name: string;
  address: string;
  /** The domain that it has the names below: none for aardvark-dns. */
  domain: string;
  end(): Promise<void>;
}

export interface Names {
  domain: string;
  /** Name without domain, and address. */
  entries: readonly (readonly [name: string, ip: string])[];
}

export const serverCore = "0";
export const clientCore = "1";
/** Before a command: it goes before all others, as the agent's thread of names does. */
export const first: readonly string[] = ["chrt", "--rr", "1"];
const pinned: readonly string[] = ["taskset", "-c", serverCore];

/** Each listens at the same address of the network's bridge, one after another, so that all are reached by the same way. */
type Start = (
  place: Place,
  directory: string,
  address: string,
  names: Names,
  /** What the command is put behind. */
  turn?: readonly string[],
) => Promise<Server>;

export const peers: Record<"dnsmasq" | "unbound" | "aardvark-dns", Start> = {
  async dnsmasq(place, directory, address, { domain, entries }, turn = pinned) {
    await mkdir(directory, { recursive: true });
    const hosts = join(directory, "hosts");
    await writeFile(hosts, entries.map(([name, ip]) => `${ip} ${name}.${domain}\n`).join(""));
    const flags = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--bind-interfaces"];
    const own = ["--user=root", "--pid-file=", `--listen-address=${address}`, `--addn-hosts=${hosts}`, "--local-ttl=1"];
    const end = await run(place, directory, [...turn, "dnsmasq", ...flags, ...own]);
    return { name: "dnsmasq", address, domain, end };
  },

  async unbound(place, directory, address, { domain, entries }, turn = pinned) {
    await mkdir(directory, { recursive: true });
    const file = join(directory, "unbound.conf");
    const data = entries.map(([name, ip]) => `  local-data: "${name}.${domain}. 1 IN A ${ip}"\n`).join("");
    const access = "  access-control: 0.0.0.0/0 allow\n  num-threads: 1\n  do-daemonize: no\n  use-syslog: no\n";
    const own = `  interface: ${address}\n  username: ""\n  chroot: ""\n  directory: "${directory}"\n  pidfile: ""\n`;
    const zone = `  local-zone: "${domain}." static\n`;
    const quiet = `  module-config: "iterator"\n  verbosity: 0\n`;
    await writeFile(file, `server:\n${own}${access}${quiet}${zone}${data}remote-control:\n  control-enable: no\n`);
    const end = await run(place, directory, [...turn, "unbound", "-d", "-c", file]);
    return { name: "unbound", address, domain, end };
  },

  async "aardvark-dns"(place, directory, address, { entries }, turn = pinned) {
    const config = join(directory, "config");
    await mkdir(config, { recursive: true });
    const lines = entries.map(([name, ip]) => `${name}id ${ip}  ${name}\n`);
    await writeFile(join(config, "bench"), `${address}\n${lines.join("")}`);
    // It goes into the background, and says where in a file.
    const program = "/usr/lib/podman/aardvark-dns";
    const [command = "", ...flags] = [...turn, program, "-c", config, "-p", "53", "-f", "dns.podman", "run"];
    const child = place.spawn(command, flags);
    const end = async () => {
      const pid = await readFile(join(config, "aardvark.pid"), "utf8").catch(() => undefined);
      if (pid !== undefined) process.kill(Number(pid), "SIGKILL");
      child.kill("SIGKILL");
    };
    return { name: "aardvark-dns", address, domain: "", end };
  },
};

async function run(place: Place, directory: string, words: readonly string[]): Promise<() => Promise<void>> {
  const log = join(directory, "log");
  const command = words as [string, ...string[]];
  const daemon = daemonIn(place, { title: words.join(" "), command, log });
  await daemon.start();
  return () => daemon.end("SIGKILL");
}

/** Pins all threads of a process, those to come too. */
export function pin(pid: number, core: string): void {
  execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", core, String(pid)]);
}
