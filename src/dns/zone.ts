import type { Service } from "../model/service.ts";
import type { Named, ZoneSettings } from "./facts.ts";
import { Pool } from "./pool.ts";

/** Texts that many containers share are kept once; so many are enough for any installation, and no flood fills memory. */
const mostTexts = 10_000;

/** A service's containers. */
export interface Members {
  healthy: Pool;
  unhealthy: Pool;
}

/**
 * The names of one network, indexed by what is asked for. An entry a container and a pool a service: `mongo.rocket-chat`
 * is found as `mongo` and then by its stack, so that 100,000 containers need 100,000 entries.
 */
export class Zone {
  settings: ZoneSettings;
  /** Counts changes, as a zone's serial does. */
  serial = 1;
  readonly owners = new Map<number, Named>();
  /** By `<service>.<stack>` and `<sidekick>.<service>.<stack>`. */
  readonly members = new Map<string, Members>();
  /** By `<service>.<stack>`. */
  readonly services = new Map<string, { stack: string; record: Service }>();
  /** Addresses by containers' names and aliases; one as a rule, and then no set. */
  readonly #labels = new Map<string, number | Set<number>>();
  /** Names that are there because others are below them: stacks, mostly. How many those are. */
  readonly #inner = new Map<string, number>();
  /** How many containers and services say that they are of a stack. */
  readonly #stacks = new Map<string, number>();
  readonly #texts = new Map<string, string>();

  constructor(settings: ZoneSettings) {
    this.settings = settings;
  }

  /** Who has an address from now on. */
  own(address: number, owner: Named | null): void {
    this.serial++;
    const before = this.owners.get(address);
    if (before) this.#leave(address, before);
    if (owner) this.#enter(address, this.#compact(owner));
  }

  declare(stack: string, service: string, record: Service | null): void {
    this.serial++;
    const name = `${service}.${stack}`.toLowerCase();
    const before = this.services.get(name);
    if (before) {
      this.services.delete(name);
      this.#count(name, -1);
      tally(this.#stacks, before.stack, -1);
    }
    if (record === null) return;
    const now = { stack: stack.toLowerCase(), record };
    this.services.set(name, now);
    this.#count(name, 1);
    tally(this.#stacks, now.stack, 1);
  }

  /** Addresses of containers called or aliased so, whatever their stack. */
  *called(label: string): Generator<number> {
    const found = this.#labels.get(label);
    if (typeof found === "number") yield found;
    else if (found) yield* found;
  }

  isInner(name: string): boolean {
    return this.#inner.has(name);
  }

  /** @param name lower case */
  isStack(name: string): boolean {
    return this.#stacks.has(name);
  }

  #enter(address: number, owner: Named): void {
    this.owners.set(address, owner);
    for (const label of labelsOf(owner)) this.#addLabel(label, address);
    const group = groupOf(owner);
    if (group !== undefined) {
      const members = this.members.get(group) ?? { healthy: new Pool(), unhealthy: new Pool() };
      this.members.set(group, members);
      (owner.unhealthy ? members.unhealthy : members.healthy).add(address);
    }
    this.#countOwner(owner, 1);
  }

  #leave(address: number, owner: Named): void {
    this.owners.delete(address);
    for (const label of labelsOf(owner)) this.#dropLabel(label, address);
    const group = groupOf(owner);
    const members = group === undefined ? undefined : this.members.get(group);
    if (group !== undefined && members) {
      members.healthy.delete(address);
      members.unhealthy.delete(address);
      if (members.healthy.size + members.unhealthy.size === 0) this.members.delete(group);
    }
    this.#countOwner(owner, -1);
  }

  /** Nearly all names are above nothing but a stack, and need not be put together for that to be counted. */
  #countOwner(owner: Named, by: 1 | -1): void {
    const { stack, sidekick } = owner;
    if (stack !== undefined) tally(this.#stacks, stack, by);
    for (const label of labelsOf(owner)) {
      if (label.includes(".")) this.#count(label, by);
      if (stack !== undefined && label.includes(".")) this.#count(`${label}.${stack}`, by);
      else if (stack !== undefined) this.#countInner(stack, by);
    }
    const group = groupOf(owner);
    if (group !== undefined && stack !== undefined && sidekick === undefined && !owner.service?.includes("."))
      this.#countInner(stack, by);
    else if (group !== undefined) this.#count(group, by);
  }

  #addLabel(label: string, address: number): void {
    const found = this.#labels.get(label);
    if (found === undefined) this.#labels.set(label, address);
    else if (typeof found === "object") found.add(address);
    else if (found !== address) this.#labels.set(label, new Set([found, address]));
  }

  #dropLabel(label: string, address: number): void {
    const found = this.#labels.get(label);
    if (found === address) this.#labels.delete(label);
    if (typeof found !== "object") return;
    found.delete(address);
    const [only] = found;
    if (found.size === 1 && only !== undefined) this.#labels.set(label, only);
  }

  /** A name comes or goes, and what is above it with it. */
  #count(name: string, by: 1 | -1): void {
    const dot = name.indexOf(".");
    if (dot >= 0) this.#countInner(name.slice(dot + 1), by);
  }

  #countInner(name: string, by: 1 | -1): void {
    tally(this.#inner, name, by);
    this.#count(name, by);
  }

  /** As it is kept: stacks and services in lower case, since they are only compared. */
  #compact({ name, stack, service, sidekick, aliases, unhealthy }: Named): Named {
    // Field by field: a spread for each costs several times what all of the rest does, and clients wait meanwhile.
    const kept: Named = { name };
    if (stack !== undefined) kept.stack = this.#text(stack);
    if (service !== undefined) kept.service = this.#text(service);
    if (sidekick !== undefined) kept.sidekick = this.#text(sidekick);
    if (aliases?.length) kept.aliases = aliases;
    if (unhealthy) kept.unhealthy = true;
    return kept;
  }

  #text(given: string): string {
    const text = given.toLowerCase();
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= mostTexts) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}

/** Counts what is there; what is not is not kept. */
function tally(counts: Map<string, number>, name: string, by: number): void {
  const left = (counts.get(name) ?? 0) + by;
  if (left > 0) counts.set(name, left);
  else counts.delete(name);
}

function labelsOf({ name, aliases }: Named): Iterable<string> {
  if (aliases === undefined) return [name.toLowerCase()];
  return new Set([name, ...aliases].map((label) => label.toLowerCase()));
}

function groupOf({ stack, service, sidekick }: Named): string | undefined {
  if (stack === undefined || service === undefined) return undefined;
  return sidekick === undefined ? `${service}.${stack}` : `${sidekick}.${service}.${stack}`;
}
