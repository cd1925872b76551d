import { setTimeout as pause } from "node:timers/promises";
import { ask } from "../../../src/cli/client.ts";
import { openConnection, type ViciConnection } from "../../../src/ike/vici/connection.ts";
import type { LabAgent } from "../../../src/lab/agent.ts";
import type { LabCharon } from "../../../src/lab/charon.ts";
import type { Host } from "../../../src/lab/host.ts";
import type { Lab } from "../../../src/lab/lab.ts";
import type { WaitAnswer } from "../../../src/observe/answers.ts";
import { type Client, connect } from "../../../src/store/client.ts";

/** For what takes a second on an idle machine that interprets nothing. */
const patienceMs = 180_000;

/** A host with charon and an agent, both running, and what its user has of them. */
export interface End {
  host: Host;
  charon: LabCharon;
  agent: LabAgent;
  /** Of the installation that the agent lives in. */
  client: Client;
  /** To its charon. */
  vici: ViciConnection;
  close(): void;
}

/** `prefix`: the installation. */
export async function openEnd(lab: Lab, name: string, prefix: string): Promise<End> {
  const host = lab.host(name);
  const charon = await host.charon();
  const agent = await host.agent(["--prefix", prefix, "--linger", "0"]);
  await charon.start();
  await agent.start();
  await agent.ready();
  const client = connect({ endpoints: [lab.etcd.socket], prefix, deadlineMs: 60_000 });
  const vici = await openConnection(charon.socket);
  return {
    ...{ host, charon, agent, client, vici },
    close() {
      client.close();
      vici.close();
    },
  };
}

/** Makes a container's namespace, of the container's name, and puts its record. */
export async function enter({ host, client }: End, net: string, name: string, record: object = {}): Promise<void> {
  await host.container(name);
  const value = { name, netns: `/run/netns/${name}`, ...record };
  await client.put(`keyspaces/${net}/containers/${host.name}/${name}`, JSON.stringify(value));
}

/** Resolves when all hosts of the network, as this one's agent knows them, have come to what is declared. */
export async function converged({ agent }: End, net: string): Promise<void> {
  const until = performance.now() + patienceMs;
  const question = `GET /v1/wait?network=${net}&revision=now&timeout=20`;
  let why: unknown;
  while (performance.now() < until) {
    try {
      const answer = await ask<WaitAnswer>(agent.socket, question);
      if (answer.converged) return;
      why = answer;
    } catch (error) {
      // An agent of a busy machine may find etcd too slow.
      why = error;
      await pause(1_000);
    }
  }
  const said = why instanceof Error ? why.message : JSON.stringify(why);
  throw new Error(
    `Cannot measure: expected ${net} to converge, got ${said}; the agent's log ends:\n${await agent.log()}`,
  );
}
