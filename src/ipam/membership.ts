import { refusal, unfitMember } from "../desired/admission.ts";
import type { Inputs } from "../desired/inputs.ts";
import { type Ip, macOf } from "../model/address.ts";
import { blockName, isConfirmed } from "../model/block.ts";
import { decodeClaim, heldBy, resting, sameOwner } from "../model/claim.ts";
import { keyOf } from "../model/keys.ts";
import type { Tell } from "../observe/event.ts";
import type { Client } from "../store/client.ts";
import { type Expectation, maxWrites, type Write } from "../store/transaction.ts";
import { confirmed } from "./blocks.ts";
import { claimKey } from "./claim-store.ts";
import { choosePlace } from "./place.ts";
import { standing } from "./standing.ts";

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
    const network = inputs().world.networks.get(net)?.value;
    if (network === undefined) return true;
    const { host } = inputs().self;
    const memberKey = keyOf({ type: "member", net, host });
    const before = await standing(client, memberKey);
    // Joined a moment ago, and the world has not told yet: a second place must not be asked for.
    if (before === "record") return false;
    const place = await choosePlace(client, net, network, inputs);
    if (place === undefined) return false;
    const { block, address } = place;
    const key = claimKey(net, address.ip);
    const member = { address: address.ip, mac: macOf(address.ip, "0e") };
    const expected: Expectation[] = [
      { key: memberKey, at: before },
      { key: block.key, at: block.revision },
      { key, at: address.at },
    ];
    const { done } = await client.commit(expected, [
      { type: "put", key: memberKey, value: JSON.stringify(member) },
      { type: "put", key, value: JSON.stringify(heldBy({ host }, address.before)) },
      ...(isConfirmed(block.block) ? [] : [{ type: "put", key: block.key, value: confirmed(host) } as const]),
    ]);
    if (done) tell({ type: "joined", net, why: `agent address ${address.ip}, block ${block.prefix}` });
    return done;
  }

  async function leave(net: string): Promise<boolean> {
    await leaveNetwork(client, net, inputs());
    tell({ type: "left", net, why: `no container of host ${inputs().self.host} is in it` });
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
 * Takes this host out of a network; its agent address rests. The membership goes with the first transaction, so peers stop
 * sending before blocks are free.
 *
 * @throws StoreError
 */
export async function leaveNetwork(client: Pick<Client, "commit" | "get">, net: string, inputs: Inputs): Promise<void> {
  const { world, self } = inputs;
  const writes = leaveWrites(net, inputs);
  const first = writes.splice(0, maxWrites - 1);
  const address = world.keyspaces.get(net)?.members.get(self.host)?.value.address;
  for (;;) {
    const held = address && (await ownClaim(client, net, address, self.host));
    const { done } = held
      ? await client.commit(
          [{ key: held.key, at: held.revision }],
          [...first, { type: "put", key: held.key, value: JSON.stringify(resting(held.claim, Date.now())) }],
        )
      : await client.commit([], first);
    if (done) break;
  }
  for (let i = 0; i < writes.length; i += maxWrites) await client.commit([], writes.slice(i, i + maxWrites));
}

async function ownClaim(client: Pick<Client, "get">, net: string, address: Ip, host: string) {
  const found = await client.get(claimKey(net, address));
  const claim = found && decodeClaim(found.value);
  if (!found || claim?.state !== "held" || !sameOwner(claim.owner, { host })) return undefined;
  return { key: found.key, revision: found.revision, claim };
}

/** What takes this host out of a network: its membership, its blocks, its status. */
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
