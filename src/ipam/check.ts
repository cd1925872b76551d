import type { World } from "../model/world.ts";
import { pause } from "../store/backoff.ts";
import type { Client } from "../store/client.ts";
import { type Audit, createAudit } from "./audit.ts";
import { allClaims } from "./claim-store.ts";
import { type Finding, isFault, isRepairable } from "./finding.ts";
import { repair } from "./repair.ts";

export interface CheckOptions {
  client: Client;
  world: World;
  /** Of this network only. */
  net?: string;
  repair: boolean;
  signal: AbortSignal;
  /** Milliseconds between two looks, 1,000 unless told otherwise. */
  settlesMs?: number;
}

export type Checked = Finding & { repaired: boolean };

/**
 * What of a network's addresses is not as it should be, and after a repair what was. It looks twice: what is under way (a
 * record that came this moment, a claim that is about to follow) differs from what is amiss by not being there any more.
 *
 * @throws StoreError
 */
export async function check(options: CheckOptions): Promise<Checked[]> {
  const { client, world, net, repair: mend, signal, settlesMs = 1_000 } = options;
  const faults = async () => (await look(client, world, net)).filter(isFault);
  const again = async (before: readonly Finding[]) => {
    if (before.length === 0) return [];
    await pause(settlesMs, signal);
    const ids = new Set(before.map(idOf));
    return (await faults()).filter((finding) => ids.has(idOf(finding)));
  };
  const found = await again(await faults());
  if (!mend) return found.map((finding) => ({ ...finding, repaired: false }));
  for (const finding of found.filter(isRepairable)) await repair(client, finding, Date.now());
  const left = new Set((await again(found)).map(idOf));
  return found.map((finding) => ({ ...finding, repaired: !left.has(idOf(finding)) }));
}

/** One look at every claim there is, against the records as this host has seen them. @throws StoreError */
export async function look(client: Client, world: World, net?: string): Promise<Finding[]> {
  const audits = new Map<string, Audit>();
  const auditOf = (name: string) => {
    const audit = audits.get(name) ?? createAudit(name, world, Date.now());
    audits.set(name, audit);
    return audit;
  };
  for (const name of net === undefined ? world.networks.keys() : [net]) auditOf(name);
  for await (const claim of allClaims(client, net)) auditOf(claim.net).see(claim);
  return [...audits.values()].flatMap((audit) => audit.end());
}

/** The same fault of the same thing. */
export function idOf({ type, key }: Finding): string {
  return `${type} ${key}`;
}
