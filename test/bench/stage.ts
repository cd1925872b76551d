import { setTimeout as pause } from "node:timers/promises";
import type { Host } from "../../src/lab/host.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import type { Client } from "../../src/store/client.ts";
import { agentOn, type BenchAgent } from "./agent.ts";
import { type BenchEtcd, startEtcd } from "./etcd.ts";
import { callWitness, type Witness } from "./witness/witness.ts";
import { containerWrite, net, networkWrite, strayAt, worldWrites, write } from "./world.ts";

/** A fresh lab with an etcd and a witness; it ends with `close`, or with this process. */
export interface Stage {
  lab: Lab;
  etcd: BenchEtcd;
  witness: Witness;
  close(): Promise<void>;
}

export async function setStage(hosts: number): Promise<Stage> {
  const lab = await createLab({ hosts });
  try {
    const etcd = await startEtcd(lab);
    const witness = await callWitness();
    const close = async () => {
      etcd.close();
      await witness.close();
      await lab.close();
    };
    return { lab, etcd, witness, close };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** Runs a measurement on a stage of its own. */
export async function onStage<T>(hosts: number, measure: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = await setStage(hosts);
  try {
    return await measure(stage);
  } finally {
    await stage.close();
  }
}

/** A world in etcd under a prefix of its own, and the host whose agent lives in it. */
export interface Installation {
  host: Host;
  client: Client;
  agent: BenchAgent;
}

export interface InstallationOptions {
  host: string;
  /** Hosts that exist in etcd only, and containers on each of them. */
  peers: number;
  containersEach: number;
  /** Containers of the host's own that have a namespace to be attached. One unless told otherwise. */
  attached?: number;
}

/** Declares the world; starts nothing. Containers of the host's own are `own0` and so on, of namespaces of that name. */
export async function install(
  { lab, etcd }: Stage,
  { host: name, peers, containersEach, attached = 1 }: InstallationOptions,
): Promise<Installation> {
  const host = lab.host(name);
  const prefix = `/bench-${name}/`;
  const client = etcd.client(prefix);
  await write(client, worldWrites(peers, containersEach));
  for (let n = 0; n < attached; n++) {
    await host.container(`own${n}`);
    await write(client, [containerWrite(name, `own${n}`, strayAt(60_000 + n), `/run/netns/own${n}`)]);
  }
  // Last, so that an agent that runs already sees all of it or nothing.
  await write(client, [networkWrite(1000 + Number(name.slice(1)))]);
  const agent = agentOn({ host, etcd: etcd.endpoint, prefix, directory: lab.directory });
  return { host, client, agent };
}

/** Starts the agent and resolves when this host is a member of the network and everything is in the kernel. */
export async function converge({ agent }: Pick<Installation, "agent">): Promise<void> {
  await agent.start();
  await agent.ready();
  // It is ready with what is declared; only then it joins, and has more to do.
  while (!(await agent.isMember(net))) await pause(20);
  while (!(await agent.isAtRest())) await pause(20);
}

/** Paths under which the witness finds a host's own namespace and its network's. */
export function namespacesOf({ pid }: Host): { own: string; inside: string } {
  return { own: `/proc/${pid}/ns/net`, inside: `/proc/${pid}/root/run/netns/skein-${net}` };
}
