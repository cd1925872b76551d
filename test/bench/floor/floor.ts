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
  const script = join(import.meta.dirname, "program.ts");
  const child = host.spawn(process.execPath, [script, etcd, prefix, "/run/netns/floor", source, via, String(count)]);
  child.stderr.pipe(process.stderr);
  const ended = once(child, "exit").then(() => {
    throw new Error("Cannot lay the floor: expected its program to run, got its end");
  });
  await Promise.race([once(child.stdout, "data"), ended]);
  ended.catch(() => {}); // its end, later, is ours to wish
  return { namespace: `/proc/${host.pid}/root/run/netns/floor`, end: () => child.kill() };
}
