import { type Cidr, firstOf, fromNumber, type Ip, prefixLength, sizeOf, toNumber } from "../model/address.ts";
import type { Place } from "./place.ts";

/** The segment all hosts of a lab are plugged into: a bridge in a namespace of its own. */
export interface Wire extends Place {
  /** The wire's own address, where etcd listens. */
  readonly address: Ip;
  /** The hosts' default gateway, which is the outside. */
  readonly gateway: Ip;
  /** The address of the n-th host, counted from 1. */
  addressOf(n: number): Ip;
  /** Gives the namespace of `host` an `eth0` with this address. The other end is the bridge's port `name`. */
  plug(name: string, host: Plugged, address: Ip): Promise<void>;
  /** Sets the MTU of both ends of the cable, in bytes. */
  setMtu(name: string, host: Plugged, mtu: number): Promise<void>;
  /** Gives `eth0` another address in place of `was`. */
  setAddress(host: Plugged, was: Ip, address: Ip): Promise<void>;
}

/** A namespace with an end of a cable in it, and the process that holds it. */
export type Plugged = Place & { readonly pid: number };

export async function layWire(place: Place, subnet: Cidr): Promise<Wire> {
  const length = prefixLength(subnet);
  const nth = (n: number) => fromNumber(toNumber(firstOf(subnet)) + n);
  const address = nth(sizeOf(subnet) - 2);
  await ipBatch(place, ["link add br0 type bridge", "link set br0 up", `addr add ${address}/${length} dev br0`]);
  return {
    ...place,
    address,
    gateway: nth(sizeOf(subnet) - 3),
    addressOf: nth,
    async plug(name, host, own) {
      const port = [`link set ${name} master br0`, `link set ${name} up`];
      await ipBatch(place, [`link add ${name} type veth peer name eth0 netns ${host.pid}`, ...port]);
      await ipBatch(host, [`addr add ${own}/${length} dev eth0`, "link set eth0 up"]);
    },
    async setMtu(name, host, mtu) {
      await ipBatch(place, [`link set ${name} mtu ${mtu}`]);
      await ipBatch(host, [`link set eth0 mtu ${mtu}`]);
    },
    async setAddress(host, was, now) {
      // The routes go with the last address of a prefix, so the new one comes first.
      await ipBatch(host, [`addr add ${now}/${length} dev eth0`, `addr del ${was}/${length} dev eth0`]);
    },
  };
}

/** Several commands of `ip` by one process. */
export async function ipBatch(where: Place, commands: readonly string[]): Promise<void> {
  await where.output("ip", ["-batch", "-"], { input: `${commands.join("\n")}\n` });
}
