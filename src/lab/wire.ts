import type { Ip } from "../model/address.ts";
import type { Place } from "./place.ts";
import type { Segment } from "./segment.ts";

/** The segment all hosts of a lab are plugged into: a bridge in a namespace of its own. */
export interface Wire extends Place {
  readonly address: Ip;
  readonly segment: Segment;
  /** Gives the host an `eth0` with this address. The other end is the bridge's port, named after the host. */
  plug(host: Plugged, address: Ip): Promise<void>;
  /** Sets the MTU of both ends of the cable, in bytes. */
  setMtu(host: Plugged, mtu: number): Promise<void>;
  /** Gives `eth0` another address in place of `was`. */
  setAddress(host: Plugged, was: Ip, address: Ip): Promise<void>;
}

/** A namespace that can have an end of a cable in it, and the process that holds it. */
export type Plugged = Place & { readonly name: string; readonly pid: number };

export async function layWire(place: Place, segment: Segment): Promise<Wire> {
  const { length, wire: address, gateway } = segment;
  await ipBatch(place, ["link add br0 type bridge", "link set br0 up", `addr add ${address}/${length} dev br0`]);
  return {
    ...place,
    address,
    segment,
    async plug(host, own) {
      const port = [`link set ${host.name} master br0`, `link set ${host.name} up`];
      await ipBatch(place, [`link add ${host.name} type veth peer name eth0 netns ${host.pid}`, ...port]);
      await ipBatch(host, [`addr add ${own}/${length} dev eth0`, "link set eth0 up"]);
    },
    async setMtu(host, mtu) {
      await ipBatch(place, [`link set ${host.name} mtu ${mtu}`]);
      await ipBatch(host, [`link set eth0 mtu ${mtu}`]);
    },
    async setAddress(host, was, now) {
      // Not the new one first: it would be secondary, and go with the first. The routes go either way.
      await ipBatch(host, [
        `addr del ${was}/${length} dev eth0`,
        `addr add ${now}/${length} dev eth0`,
        `route replace default via ${gateway}`,
      ]);
    },
  };
}

/** Several commands of `ip` by one process. */
export async function ipBatch(where: Place, commands: readonly string[]): Promise<void> {
  await where.output("ip", ["-batch", "-"], { input: `${commands.join("\n")}\n` });
}
