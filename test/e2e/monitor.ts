import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Host } from "../../src/lab/host.ts";
import type { Place } from "../../src/lab/place.ts";
import { eventually } from "../eventually.ts";
import { endWithTest } from "./scene.ts";

/** What the kernel reports of a host's namespaces and of all it has names for, by `ip monitor` and `nft monitor`. */
export interface Monitor {
  /** Ends it; what was reported, without neighbours that come and go by traffic. */
  stop(): Promise<string[]>;
}

/** A change that is nobody's, made at the end: once it is reported, so is everything before. */
const probe = { ip: "blackhole 198.51.100.0/24", nft: "skein-test-probe" };

export async function startMonitor(host: Host): Promise<Monitor> {
  const names = (await host.output("ip", ["netns", "list"])).split("\n").flatMap((line) => line.split(" ")[0] || []);
  const places: [string, Place][] = [["host", host], ...names.map((name): [string, Place] => [name, host.in(name)])];
  const parts = await Promise.all(places.map(([name, place]) => startOne(name, place)));
  return { stop: async () => (await Promise.all(parts.map(({ stop }) => stop()))).flat() };
}

async function startOne(name: string, place: Place): Promise<Monitor> {
  const ip = await follow(place, "ip", ["monitor", "link", "address", "route", "neigh", "netconf"]);
  const nft = await follow(place, "nft", ["monitor"]);
  return {
    async stop() {
      await place.output("ip", ["route", "add", ...probe.ip.split(" ")]);
      await place.output("ip", ["route", "del", ...probe.ip.split(" ")]);
      await place.output("nft", [`add table ip ${probe.nft}; delete table ip ${probe.nft}`]);
      const lines = [
        ...(await ip.until(/^Deleted blackhole 198/)),
        ...(await nft.until(/^delete table ip skein-test/)),
      ];
      return lines.filter(isNews).map((line) => `${name}: ${line}`);
    },
  };
}

/** Entries of an ARP cache change with traffic; those of ours are permanent. */
const byTraffic = /\b(REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE|NONE)\b/;

function isNews(line: string): boolean {
  return (
    !byTraffic.test(line) && !line.includes(probe.ip) && !line.includes(probe.nft) && !line.startsWith("# new gen")
  );
}

interface Following {
  /** Ends it at the line that matches; all lines so far. */
  until(last: RegExp): Promise<string[]>;
}

async function follow(place: Place, tool: string, args: string[]): Promise<Following> {
  const child = place.spawn(tool, args);
  endWithTest(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  // What happens from the moment on that it has joined a netlink group, it reports.
  const joined = new RegExp(`^\\S+ +\\d+ +${child.pid} +(?!00000000)`, "m");
  await eventually(async () => {
    const sockets = await readFile(`/proc/${child.pid}/net/netlink`, "utf8");
    if (!joined.test(sockets)) throw new Error(`Cannot monitor: expected ${tool} to listen`);
  });
  return {
    async until(last) {
      await eventually(() => {
        if (!lines.some((line) => last.test(line))) throw new Error(`Cannot stop ${tool} monitor: expected ${last}`);
      });
      child.kill();
      return lines;
    },
  };
}
