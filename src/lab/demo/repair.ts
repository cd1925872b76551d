import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Place } from "../place.ts";
import type { Stage } from "./stage.ts";

export interface Repair {
  what: string;
  command: string;
  /** Milliseconds from before the command began to the kernel's report of the return; undefined where it did not return. */
  back: number | undefined;
}

const patience = 5_000;

/** Deletes one row of each sort by hand, and times its return by the kernel's own reports: `ip monitor` is the witness. */
export async function repairs(stage: Stage, host: string, net: string): Promise<Repair[]> {
  const inside = stage.lab.host(host).in(`skein-${net}`);
  const [route] = JSON.parse(await inside.output("ip", ["-json", "route", "show", "dev", "vx0"]));
  const neighbours = JSON.parse(await inside.output("ip", ["-json", "neigh", "show", "dev", "vx0"]));
  const fdb = (await inside.output("bridge", ["fdb", "show", "dev", "vx0"]))
    .split("\n")
    .find((line) => line.includes(" dst "));
  const [mac, peer] = [fdb?.split(" ")[0], fdb?.split(" dst ")[1]?.split(" ")[0]];
  const [neighbour] = neighbours;
  const done: Repair[] = [];
  for (const [what, tool, object, args, returned] of [
    ["The route", "ip", "route", ["route", "del", route.dst, "dev", "vx0"], /^\[.*?\] [0-9.]+.* dev vx0 /],
    ["The ARP entry", "ip", "neigh", ["neigh", "del", neighbour.dst, "dev", "vx0"], / dev vx0 lladdr .* PERMANENT/],
    // `ip monitor neigh` reports forwarding entries too, with a time stamp, which `bridge monitor` lacks.
    [
      "The FDB row",
      "bridge",
      "neigh",
      ["fdb", "del", `${mac}`, "dev", "vx0", "dst", `${peer}`, "self"],
      / NOARP PERMANENT/,
    ],
  ] as const) {
    const back = await timeReturn(inside, [tool, ...args], object, returned);
    done.push({ what, command: `${tool} -n skein-${net} ${args.join(" ")}`, back });
  }
  return done;
}

/** @param returned what the report of a row's return looks like */
async function timeReturn(
  place: Place,
  [tool, ...args]: readonly [string, ...string[]],
  object: string,
  returned: RegExp,
): Promise<number | undefined> {
  const monitor = place.spawn("ip", ["-ts", "monitor", object]);
  const timer = setTimeout(() => monitor.kill(), patience);
  try {
    await listening(monitor.pid);
    const began = Date.now();
    await place.output(tool, args);
    let deleted = false;
    for await (const line of createInterface({ input: monitor.stdout })) {
      if (line.includes("] Deleted ")) deleted = true;
      else if (deleted && returned.test(line)) return timeOf(line) - began;
    }
    return undefined;
  } finally {
    clearTimeout(timer);
    monitor.kill();
  }
}

/** Milliseconds of `[2026-11-23T07:37:16.278971] ...`; Date alone would drop the microseconds. */
function timeOf(line: string): number {
  const [, time, micros] = /^\[(.*?)\.(\d{6})\]/.exec(line) ?? [];
  return Date.parse(`${time}Z`) + Number(micros) / 1000;
}

/** Resolves when the process has joined a netlink group: what happens after that, it reports. */
async function listening(pid: number | undefined): Promise<void> {
  const joined = new RegExp(`^\\S+ 0 +${pid} +(?!00000000)`, "m");
  const giveUp = performance.now() + patience;
  while (!joined.test(await readFile(`/proc/${pid}/net/netlink`, "utf8"))) {
    if (performance.now() > giveUp)
      throw new Error("Cannot watch the kernel: expected `ip monitor` to listen within 5 s");
    await pause(5);
  }
}
