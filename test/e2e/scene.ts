import { onTestFinished } from "vitest";
import { ask } from "../../src/cli/client.ts";
import type { LabAgent } from "../../src/lab/agent.ts";
import type { LabCharon } from "../../src/lab/charon.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import type { Place } from "../../src/lab/place.ts";
import type { PlanAnswer, StatusAnswer, WaitAnswer } from "../../src/observe/answers.ts";

/** A container, as its record says. */
export interface Container {
  net: string;
  host: string;
  name: string;
  ip: string;
}

/** A lab with agents in it, and what its user does: etcd keys by etcdctl, namespaces by `ip netns`. */
export interface Scene {
  readonly lab: Lab;
  agent(host: string): LabAgent;
  /** A host's charon, where the scene has any: not started by `start`. */
  charon(host: string): LabCharon;
  /** Starts agents, of all hosts where none is named; resolves when each has converged. */
  start(...hosts: string[]): Promise<void>;
  put(key: string, value: unknown): Promise<void>;
  remove(key: string, ...flags: string[]): Promise<void>;
  /** Several changes of keys at one revision, in etcdctl's words: `put networks/blue {...}`, `del networks/blue`. */
  transact(...changes: string[]): Promise<void>;
  /** Makes the container's namespace and puts its record. */
  enter(container: Container): Promise<Place>;
  placeOf(container: Container): Place;
  /** Resolves when every host of the network has converged to what etcd holds now, as seen from one of them. */
  converged(net: string, from?: string): Promise<void>;
  status(host: string): Promise<StatusAnswer>;
  /** What the agent would change now, as `verb text`. */
  plan(host: string): Promise<string[]>;
}

export const prefix = "/skein/v1";

export interface SceneOptions {
  hosts: number;
  /** Further arguments of every `skein agent`. */
  args?: readonly string[];
  /** Settings of charon on every host; absent: there is none. */
  charon?: readonly string[];
  /** Seconds that a network may take to converge: 60. */
  patience?: number;
}

export async function openScene({ hosts, args = [], charon: settings, patience = 60 }: SceneOptions): Promise<Scene> {
  const lab = await createLab({ hosts });
  const agents = new Map<string, LabAgent>();
  const charons = new Map<string, LabCharon>();
  for (const host of lab.hosts) {
    agents.set(host.name, await host.agent(args));
    if (settings) charons.set(host.name, await host.charon({ settings }));
  }

  const agent = (host: string) => named(agents, host, "agent");
  const placeOf = ({ net, host, name }: Container) => lab.host(host).in(namespaceOf({ net, name }));
  const put = async (key: string, value: unknown) => {
    await lab.etcd.ctl(["put", "--", `${prefix}/${key}`, JSON.stringify(value)]);
  };

  return {
    lab,
    agent,
    charon: (host) => named(charons, host, "charon"),
    async start(...names) {
      const wanted = names.length > 0 ? names : [...agents.keys()];
      await Promise.all(wanted.map((name) => agent(name).start()));
      await Promise.all(wanted.map((name) => agent(name).ready()));
    },
    put,
    async remove(key, ...flags) {
      await lab.etcd.ctl(["del", ...flags, `${prefix}/${key}`]);
    },
    async transact(...changes) {
      const commands = changes.map((change) => change.replace(/^(put|del) /, `$1 ${prefix}/`));
      await lab.etcd.ctl(["txn"], `\n${commands.join("\n")}\n\n\n`);
    },
    async enter(container) {
      const place = await lab.host(container.host).container(namespaceOf(container));
      await put(keyOf(container), recordOf(container));
      return place;
    },
    placeOf,
    async converged(net, from) {
      const running = from ?? [...agents].find(([, { pid }]) => pid() !== undefined)?.[0] ?? "h1";
      const question = `GET /v1/wait?network=${net}&revision=now&timeout=${patience}`;
      const answer = await ask<WaitAnswer>(agent(running).socket, question);
      if (answer.converged) return;
      const logs = await Promise.all(
        [...agents].map(async ([name, { log }]) => `${name}: ${(await log().catch(() => "no log")).slice(-3000)}`),
      );
      throw new Error(
        `Cannot go on: expected ${net} to converge, got ${JSON.stringify(answer)}; logs end:\n${logs.join("\n")}`,
      );
    },
    status: (host) => ask<StatusAnswer>(agent(host).socket, "GET /v1/status"),
    async plan(host) {
      const { operations } = await ask<PlanAnswer>(agent(host).socket, "GET /v1/plan");
      return operations.map(({ verb, text }) => `${verb} ${text}`);
    },
  };
}

function named<T>(all: ReadonlyMap<string, T>, host: string, what: string): T {
  const found = all.get(host);
  if (found === undefined)
    throw new Error(`Cannot find ${what}: expected a host of the lab that has one, got "${host}"`);
  return found;
}

export function keyOf({ net, host, name }: Container): string {
  return `keyspaces/${net}/containers/${host}/${name}`;
}

export function recordOf(container: Container): object {
  const { name, ip } = container;
  return { name, ip, netns: `/run/netns/${namespaceOf(container)}` };
}

/** Namesakes of several networks may be on one host. */
export function namespaceOf({ net, name }: Pick<Container, "net" | "name">): string {
  return `${net}-${name}`;
}

/** A network of the range that every test uses, unless it says otherwise. */
export function vxlan(vni: number, more: object = {}): object {
  return { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni }, ...more };
}

/** Ends a process of the lab with the test, however the test ends. */
export function endWithTest(child: { kill(signal?: NodeJS.Signals): boolean }): void {
  onTestFinished(() => void child.kill("SIGKILL"));
}
