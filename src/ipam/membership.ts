import { refusal, unfitMember } from "../desired/admission.ts";
import type { Inputs } from "../desired/inputs.ts";
import { hash32 } from "../desired/names.ts";
import { macOf } from "../model/address.ts";
import { blockName } from "../model/block.ts";
import { decode } from "../model/decode.ts";
import { keyOf, type RecordKey } from "../model/keys.ts";
import type { Tell } from "../observe/event.ts";
import type { Client } from "../store/client.ts";
import type { Stored } from "../store/stored.ts";
import { type Commit, maxWrites, type Write } from "../store/transaction.ts";
import { choosePlace } from "./choice.ts";

export interface MembershipOptions {
  client: Client;
  inputs(): Inputs;
  tell: Tell;
  /** How long a host stays a member after its last container went: restarts are common, and each join is news to all. */
  lingerMs: number;
  /** Whether the host's name is this agent's to write under; it is looked at again when that changes. */
  mayWrite?(): boolean;
}

/** Keeps this host a member of just the networks it has containers in. */
export interface Membership {
  /** Looks at these networks again; call it when the world has taken in a change to them. */
  review(nets: Iterable<string>): void;
  stop(): void;
}

/** Long enough for the world to hear that it was left, so that it is left once. */
const soonMs = 100;

/** What to do about one network, by the state of the world alone. */
type Decision = "join" | "leave" | "stay";

export function decide(net: string, { world, self }: Inputs): Decision {
  const keyspace = world.keyspaces.get(net);
  const member = keyspace?.members.has(self.host) ?? false;
  const wanted = world.networks.has(net) && keyspace?.containers.has(self.host) && !refusal(net, { world, self });
  if (wanted && !member) return "join";
  return !wanted && member ? "leave" : "stay";
}

export function createMembership({
  client,
  inputs,
  tell,
  lingerMs,
  mayWrite = () => true,
}: MembershipOptions): Membership {
  const timers = new Map<string, NodeJS.Timeout>();
  const busy = new Set<string>();
  let stopped = false;

  function review(nets: Iterable<string>): void {
    for (const net of nets) consider(net);
  }

  function consider(net: string): void {
    if (stopped || busy.has(net) || !mayWrite()) return;
    const decision = decide(net, inputs());
    if (decision !== "leave") cancel(net);
    if (decision === "join") void act(net, () => join(net));
    else if (decision === "leave" && !timers.has(net))
      // The network's range changed, or a container has the address: until this host has another, its containers have no
      // network at all.
      later(net, unfitMember(net, inputs()) ? Math.min(soonMs, lingerMs) : lingerMs);
  }

  function later(net: string, ms: number): void {
    const timer = setTimeout(() => {
      timers.delete(net);
      const decision = stopped ? "stay" : decide(net, inputs());
      if (decision === "join") void act(net, () => join(net));
      if (decision === "leave") void act(net, () => leave(net));
    }, ms);
    timers.set(net, timer.unref());
  }

  function cancel(net: string): void {
    clearTimeout(timers.get(net));
    timers.delete(net);
  }

  /** One at a time a network; what changed meanwhile is looked at when it is done. */
  async function act(net: string, run: () => Promise<boolean>): Promise<void> {
    busy.add(net);
    const done = await run().catch((cause) => {
      tell({
        type: "warned",
        code: "MEMBERSHIP",
        message: `Cannot change membership of network ${net}: ${describe(cause)}`,
      });
      return false;
    });
    busy.delete(net);
    if (stopped) return;
    // A lost race shows in the world within milliseconds; an etcd that is away takes as long as it takes.
    if (!done) later(net, 100 + Math.random() * 900);
    else consider(net);
  }

  async function join(net: string): Promise<boolean> {
    const { world, self } = inputs();
    const network = world.networks.get(net);
    if (network === undefined) return true;
    const place = choosePlace(network.value, world.keyspaces.get(net), self.host, hash32(self.host));
    if (place === undefined)
      throw new Error(`expected a free block in ${network.value.cidr}, got none: every block has a host`);
    const memberKey = keyOf({ type: "member", net, host: self.host });
    const blockKey = keyOf({ type: "block", net, block: blockName(place.block) });
    const member = { address: place.address, mac: macOf(place.address, "0e") };
    const writes: Write[] = [{ type: "put", key: memberKey, value: JSON.stringify(member) }];
    if (!place.held) writes.push({ type: "put", key: blockKey, value: JSON.stringify({ host: self.host }) });
    const expected = place.held ? [memberKey] : [memberKey, blockKey];
    const { done } = await claim(client, expected, writes);
    if (done) tell({ type: "joined", net, why: `agent address ${place.address}, block ${place.block}` });
    return done;
  }

  async function leave(net: string): Promise<boolean> {
    const { world, self } = inputs();
    await leaveNetwork(client, net, { world, self });
    tell({ type: "left", net, why: `no container of host ${self.host} is in it` });
    return true;
  }

  return {
    review,
    stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}

/**
 * Writes where nothing stands, or nothing that is a record: no host can read such a thing as its own, so without this one
 * garbled `members/<host>` would keep that host out of the network until somebody removed it.
 */
async function claim(client: Pick<Client, "commit">, keys: RecordKey[], writes: Write[]): Promise<Commit> {
  const answer = await client.commit(
    keys.map((key) => ({ key, at: "absent" })),
    writes,
  );
  if (answer.done || !answer.found.every(isNoRecord)) return answer;
  return client.commit(
    keys.map((key, at) => ({ key, at: answer.found[at]?.revision ?? "absent" })),
    writes,
  );
}

function isNoRecord(found: Stored | undefined): boolean {
  const decoded = found && decode(found.key, found.value);
  return decoded === undefined || "rejected" in decoded;
}

/** Takes this host out of a network. The membership goes with the first transaction, so peers stop sending before blocks are free. */
export async function leaveNetwork(client: Pick<Client, "commit">, net: string, inputs: Inputs): Promise<void> {
  const writes = leaveWrites(net, inputs);
  for (let i = 0; i < writes.length; i += maxWrites) await client.commit([], writes.slice(i, i + maxWrites));
}

/** What takes this host out of a network: its membership, its status, its blocks. */
export function leaveWrites(net: string, { world, self }: Inputs): Write[] {
  const blocks = world.keyspaces.get(net)?.blocksByHost.get(self.host) ?? [];
  return [
    keyOf({ type: "member", net, host: self.host }),
    keyOf({ type: "status", net, host: self.host }),
    ...[...blocks].map((prefix) => keyOf({ type: "block", net, block: blockName(prefix) })),
  ].map((key) => ({ type: "remove", key }));
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
