import type { Ip } from "../model/address.ts";
import type { LabAgent } from "./agent.ts";
import type { CharonOptions, LabCharon } from "./charon.ts";
import { entryOf } from "./holder.ts";
import { type Place, place } from "./place.ts";
import { ipBatch, type Wire } from "./wire.ts";

/** A host of the lab: network, mount and host name namespaces of its own, and a /run of its own. */
export interface Host extends Place {
  readonly name: string;
  /** The process that holds its namespaces: `/proc/<pid>/root/run` is its /run. */
  readonly pid: number;
  readonly underlay: Underlay;
  /** Makes a network namespace, as `ip netns add` does, with its loopback up. */
  container(name: string): Promise<Place>;
  removeContainer(name: string): Promise<void>;
  /** A network namespace of this host's /run/netns. */
  in(name: string): Place;
  /** An agent for this host, not yet started; `args` are added to those it needs here. */
  agent(args?: readonly string[]): Promise<LabAgent>;
  /** charon for this host, not yet started. */
  charon(options?: CharonOptions): Promise<LabCharon>;
}

/** The host's end of the wire. */
export interface Underlay {
  readonly device: "eth0";
  address(): Ip;
  setAddress(address: Ip): Promise<void>;
  setMtu(bytes: number): Promise<void>;
}

/** A host as far as its namespaces reach: what a process that did not make the lab can know of it. */
export type HostPlace = Place & Pick<Host, "name" | "pid">;

export function hostPlace({ name, pid, env }: Pick<HostPlace, "name" | "pid" | "env">): HostPlace {
  return { ...place(entryOf(pid), env), name, pid };
}

export async function plugHost(
  here: HostPlace,
  wire: Wire,
  address: Ip,
  daemons: Pick<Host, "agent" | "charon">,
): Promise<Host> {
  await wire.plug(here, address);
  await ipBatch(here, [`route add default via ${wire.segment.gateway}`]);
  return {
    ...here,
    ...containersOf(here),
    underlay: underlayOf(here, wire, address),
    ...daemons,
  };
}

function containersOf(host: HostPlace): Pick<Host, "container" | "removeContainer" | "in"> {
  const entry = entryOf(host.pid);
  const here = place(entry, host.env);
  // Not `ip netns exec`: it makes a mount namespace for each command, which sees another /sys.
  const within = (name: string) => place([...entry, "nsenter", `--net=/run/netns/${name}`, "--"], host.env);
  return {
    async container(name) {
      await ipBatch(here, [`netns add ${name}`]);
      await ipBatch(within(name), ["link set lo up"]);
      return within(name);
    },
    removeContainer: (name) => ipBatch(here, [`netns del ${name}`]),
    in: within,
  };
}

function underlayOf(host: HostPlace, wire: Wire, address: Ip): Underlay {
  let current = address;
  return {
    device: "eth0",
    address: () => current,
    async setAddress(next) {
      await wire.setAddress(host, current, next);
      current = next;
    },
    setMtu: (bytes) => wire.setMtu(host, bytes),
  };
}
