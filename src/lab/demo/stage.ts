import type { LabAgent } from "../agent.ts";
import type { Host } from "../host.ts";
import { createLab, type Lab } from "../lab.ts";
import type { Place } from "../place.ts";
import { program } from "../program.ts";

/** A container of the demo, as its record says. */
export interface Actor {
  net: string;
  host: string;
  name: string;
  /** Where the record is to name one; absent, the host gives it. */
  ip?: string;
  stack?: string;
  service?: string;
}

/** The lab with its agents, and the few ways in which the demo acts on it. */
export interface Stage {
  lab: Lab;
  agents: Map<string, LabAgent>;
  startAgent(host: string): Promise<LabAgent>;
  /** Puts a record, as a user would: with etcdctl. */
  declare(key: string, value: object): Promise<void>;
  /** Makes the container's namespace and declares it. */
  enter(actor: Actor): Promise<Place>;
  keyOf(actor: Actor): string;
  recordOf(actor: Actor): string;
  placeOf(actor: Actor): Place;
  /** The address that the container's record has in etcd now: its own, or the one it was given. */
  addressOf(actor: Actor): Promise<string>;
  /** Runs `skein` on a host, as an operator would. */
  skein(host: string, ...args: string[]): Promise<string>;
  /** The same as it is shown: the command, where, and what it prints. */
  shown(host: string, ...args: string[]): Promise<string>;
  /** Returns when every host of the network has converged to what etcd holds now. */
  converged(net: string): Promise<void>;
}

export const prefix = "/skein/v1";

export async function setStage(hosts: number): Promise<Stage> {
  const lab = await createLab({ hosts });
  const agents = new Map<string, LabAgent>();
  const placeOf = ({ net, host, name }: Actor) => lab.host(host).in(namespaceOf(net, name));
  const keyOf = ({ net, host, name }: Actor) => `${prefix}/keyspaces/${net}/containers/${host}/${name}`;
  const recordOf = ({ net, name, ip, stack, service }: Actor) =>
    JSON.stringify({
      name,
      ...(ip && { ip }),
      netns: `/run/netns/${namespaceOf(net, name)}`,
      ...(stack && { stack }),
      ...(service && { service }),
    });

  async function startAgent(name: string): Promise<LabAgent> {
    const agent = agents.get(name) ?? (await lab.host(name).agent());
    agents.set(name, agent);
    await agent.start();
    await agent.ready();
    return agent;
  }

  async function skein(name: string, ...args: string[]): Promise<string> {
    const agent = agents.get(name);
    if (agent === undefined) throw new Error(`Cannot run skein on ${name}: expected a host with an agent`);
    const host: Host = lab.host(name);
    const [command, ...flags] = [...program("bin"), "--socket", agent.socket, ...args] as [string, ...string[]];
    return host.output(command, flags);
  }

  return {
    lab,
    agents,
    startAgent,
    placeOf,
    keyOf,
    recordOf,
    skein,
    shown: async (host, ...args) => `skein ${args.join(" ")}, on ${host}:\n${(await skein(host, ...args)).trimEnd()}`,
    async addressOf(actor) {
      const record = await lab.etcd.ctl(["get", "--print-value-only", keyOf(actor)]);
      const { ip } = JSON.parse(record || "{}");
      if (typeof ip === "string") return ip;
      throw new Error(
        `Cannot tell the address of ${actor.name}: expected its record to name one, got ${record || "none"}`,
      );
    },
    async declare(key, value) {
      await lab.etcd.ctl(["put", `${prefix}/${key}`, JSON.stringify(value)]);
    },
    async enter(actor) {
      const place = await lab.host(actor.host).container(namespaceOf(actor.net, actor.name));
      await lab.etcd.ctl(["put", keyOf(actor), recordOf(actor)]);
      return place;
    },
    async converged(net) {
      const [host] = agents.keys();
      await skein(host ?? "h1", "wait", "--network", net, "--revision", "now", "--timeout", "30s");
    },
  };
}

/** Containers of the first network have their own names; those of others may be namesakes. */
function namespaceOf(net: string, name: string): string {
  return net === "blue" ? name : `${net}-${name}`;
}
