import { setTimeout as pause } from "node:timers/promises";
import { follow } from "../../../src/cli/client.ts";
import { listed } from "../../../src/ike/vici/commands.ts";
import { sectionsOf } from "../../../src/ike/vici/message.ts";
import { createLab, type Lab } from "../../../src/lab/lab.ts";
import type { EventLine } from "../../../src/observe/event-schema.ts";
import { connect } from "../../../src/store/client.ts";
import type { Write } from "../../../src/store/transaction.ts";
import { initiateBarely } from "./bare-initiate.ts";
import { converged, type End, enter, openEnd } from "./ends.ts";
import { awaitAnswer } from "./first-answer.ts";
import type { FirstPackets } from "./first-packet.ts";
import { leave } from "./leave.ts";

/**
 * Two hosts that know nothing of each other: each lives in an installation of its own, in one etcd, with the same
 * network. One transaction puts each host's records into the other's installation, as both learn of a peer in life.
 */
const net = "blue";
const rounds = 9;

const lab = await createLab({ hosts: 2 });
try {
  await leave(await measure(lab));
} finally {
  await lab.close();
}

async function measure(lab: Lab): Promise<FirstPackets> {
  const [a, b] = [await openEnd(lab, "h1", "/h1/"), await openEnd(lab, "h2", "/h2/")];
  for (const end of [a, b]) await settle(end);
  const both = connect({ endpoints: [lab.etcd.socket], prefix: "/", deadlineMs: 60_000 });
  const records = [...(await recordsOf(b, "h1/")), ...(await recordsOf(a, "h2/"))];
  const gone: Write[] = records.map(({ key }) => ({ type: "remove", key }));
  const inside = a.host.in(`skein-${net}`);
  const [from, to] = [await addressOf(a, `keyspaces/${net}/members/h1`, "address"), await containerAddress(b)];

  const found: FirstPackets = { declared: [], swanctl: [], vici: [], tunnelUp: [], retries: 0 };
  // The first round meets code, modules and caches that have not been used yet, and does not count.
  for (let round = 0; round <= rounds; round++) {
    const ping = await awaitAnswer(inside, from, to);
    const begun = performance.timeOrigin + performance.now();
    await both.commit([], records);
    const ms = (await ping.answered) - begun;
    await ping.end();
    const events = await eventsSince(a, begun);
    await both.commit([], gone);
    await Promise.all([forgotten(a), forgotten(b)]);
    const bare = await initiateBarely([a, b], lab.directory);
    if (round === 0) continue;
    found.declared.push(ms);
    found.swanctl.push(bare.swanctlMs);
    found.vici.push(bare.viciMs);
    for (const event of events) {
      if (event.type === "tunnel-up") found.tunnelUp.push(event.ms);
      if (event.type === "tunnel-retrying") found.retries++;
    }
  }
  for (const end of [a, b, both]) end.close();
  return found;
}

/** The network with a container in it, alone. */
async function settle(end: End): Promise<void> {
  await end.client.put(`networks/${net}`, JSON.stringify({ cidr: "10.42.0.0/16" }));
  await enter(end, net, "c");
  await containerAddress(end);
  await converged(end, net);
}

/** What others are to know of a host, as its own agent has written it; keys begin with `prefix`. */
async function recordsOf({ host: { name }, client }: End, prefix: string): Promise<(Write & { type: "put" })[]> {
  const { records: blocks } = await client.range(`keyspaces/${net}/blocks/`);
  const keys = [`hosts/${name}`, `keyspaces/${net}/containers/${name}/c`, `keyspaces/${net}/members/${name}`];
  const others = await Promise.all(keys.map((key) => client.get(key)));
  return [...blocks, ...others].map((record) => {
    if (!record) throw new Error(`Cannot declare ${name}: expected ${keys.join(", ")}, got some of them only`);
    return { type: "put", key: prefix + record.key, value: record.value };
  });
}

/** Given by the agent. */
function containerAddress(end: End): Promise<string> {
  return addressOf(end, `keyspaces/${net}/containers/${end.host.name}/c`, "ip");
}

async function addressOf({ client }: End, key: string, field: string): Promise<string> {
  for (;;) {
    const record = await client.get(key);
    const value: string | undefined = record && JSON.parse(String(record.value))[field];
    if (value !== undefined) return value;
    await pause(100);
  }
}

async function eventsSince({ agent }: End, epochMs: number): Promise<EventLine[]> {
  const events: EventLine[] = [];
  for await (const line of follow(agent.socket, "GET /v1/events?recent=2000&follow=false"))
    events.push(JSON.parse(line));
  return events.filter(({ time }) => Date.parse(time) >= Math.floor(epochMs));
}

/** Resolves when charon has neither a connection of the agent's nor any SA. */
async function forgotten({ vici }: End): Promise<void> {
  for (;;) {
    const [conns, sas] = [await listed(vici, "list-conns"), await listed(vici, "list-sas")];
    const names = conns.flatMap((event) => sectionsOf(event)).map(([name]) => name);
    if (sas.length === 0 && !names.some((name) => name.startsWith("conn-"))) return;
    await pause(50);
  }
}
