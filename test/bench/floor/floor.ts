import { once } from "node:events";
import { join } from "node:path";
import type { Host } from "../../../src/lab/host.ts";
import type { Ip } from "../../../src/model/address.ts";
import { floorSet } from "./element.ts";

/** The floor on a host of the lab: a network's namespace made by hand, and the program that writes into it. */
export interface Floor {
  /** Path of the namespace, for the witness. */
  namespace: string;
  end(): void;
}

export interface FloorOptions {
  host: Host;
  etcd: string;
  prefix: string;
  /** How many containers and how many hosts it has messages ready for. */
  count: number;
}

/** Addresses within the bench's network: this end's, and the next hop of containers. */
const source = "10.255.0.1" as Ip;
const via = "10.255.0.2" as Ip;

export async function layFloor({ host, etcd, prefix, count }: FloorOptions): Promise<Floor> {
  const inside = await host.container("floor");
  await inside.output("ip", ["-batch", "-"], {
    input: [
      "link add br0 type bridge",
      "link set br0 up",
      `addr add ${source}/32 dev br0`,
      "link add vx0 type vxlan id 99 dstport 4790 nolearning",
      "link set vx0 up",
    ].join("\n"),
  });
  await host.output("nft", [`add table inet floor; add set inet floor ${floorSet} { type ipv4_addr; }`]);
  const args = [etcd, prefix, "/run/netns/floor", source, via, String(count)];
  const end = await startProgram(host, "floor/program.ts", args);
  return { namespace: `/proc/${host.pid}/root/run/netns/floor`, end };
}

/** A program of the bench, by its path there, on the host: it says when it is ready, and goes on until it is ended. */
export async function startProgram(host: Host, script: string, args: readonly string[]): Promise<() => void> {
  const child = host.spawn(process.execPath, [join(import.meta.dirname, "..", script), ...args]);
  child.stderr.pipe(process.stderr);
  const ended = once(child, "exit").then(() => {
    throw new Error(`Cannot measure against ${script}: expected it to run, got its end`);
  });
  await Promise.race([once(child.stdout, "data"), ended]);
  ended.catch(() => {}); // its end, later, is ours to wish
  return () => child.kill();
}
