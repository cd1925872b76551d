import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Subscription } from "rxjs";
import { decode } from "../model/decode.ts";
import type { Host } from "../model/host.ts";
import { keyOf } from "../model/keys.ts";
import type { Tell } from "../observe/event.ts";
import type { Client } from "../store/client.ts";
import { hold } from "../store/lease.ts";

export interface RegistrationOptions {
  client: Client;
  host: string;
  /** Tells this host from another of the same name; the same after a restart. */
  instance: string;
  tell: Tell;
  /** The name has become this agent's. */
  claimed?(): void;
}

/** What peers must know of this host; labels in its record are somebody else's. */
export type Announced = Pick<Host, "address" | "ike">;

/** Keeps `alive/<host>` held, and `hosts/<host>` saying where this host is and what it proves itself by. */
export interface Registration {
  /** Writes the record if it says something else, however often etcd has to be asked. Cheap to repeat. */
  announce(announced: Announced): void;
  /** Whether the name is this agent's: none but its owner may write what stands under it. */
  isClaimed(): boolean;
  stop(): void;
}

/** Peers send to the old address until the record is written, so a failed write is tried again soon. */
const retryMs = 250;

export function createRegistration({ client, host, instance, tell, claimed }: RegistrationOptions): Registration {
  const key = keyOf({ type: "host", host });
  const alive = keyOf({ type: "alive", host });
  let wanted: Announced | undefined;
  let latest: Announced | undefined;
  let name: "unknown" | "ours" | "taken" = "unknown";
  let busy = false;
  let said: string | undefined;
  let retry: NodeJS.Timeout | undefined;
  let lease: Subscription | undefined;

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    while (wanted) {
      const announced = wanted;
      const trouble = await attempt(announced);
      if (trouble === undefined) {
        said = undefined;
        if (wanted === announced) wanted = undefined;
        continue;
      }
      if (trouble !== said) tell({ type: "warned", code: "REGISTRATION", message: trouble });
      said = trouble;
      if (wanted) retry = setTimeout(() => void work(), retryMs).unref();
      break;
    }
    busy = false;
  }

  /** @returns why it could not be done */
  async function attempt(announced: Announced): Promise<string | undefined> {
    try {
      lease ??= claim();
      if (name === "unknown") return undefined; // goes on when the lease has answered
      if (name === "taken")
        return `Cannot register host ${host}: expected a name of its own, got one that another agent holds (${alive}). Start this one with another --host`;
      await publish(announced);
      return undefined;
    } catch (cause) {
      return `Cannot write ${key}: ${(cause as Error).message}`;
    }
  }

  /** Two agents of one name may start at once, and one may come back after its lease went to the other: the lease decides. */
  function claim(): Subscription {
    return hold(client, { key: alive, value: JSON.stringify({ instance }) }).subscribe((state) => {
      const before = name;
      if (state.type === "held") name = "ours";
      if (state.type === "taken") name = "taken";
      if (name === before) return;
      if (name === "ours") claimed?.();
      if (latest) announce(latest);
    });
  }

  /** Labels and whatever else stands in the record are somebody's, and stay, unless peers must refuse it for them. */
  async function publish({ address, ike }: Announced): Promise<void> {
    for (;;) {
      const found = await client.get(key);
      const decoded = found && decode(key, found.value);
      const before = decoded && "path" in decoded ? parse(found?.value) : {};
      if (before.address === address && isDeepStrictEqual(before.ike, ike)) return;
      // Without a key, JSON leaves the one that stood there out.
      const value = JSON.stringify({ ...before, address, ike });
      const { done } = await client.commit([{ key, at: found?.revision ?? "absent" }], [{ type: "put", key, value }]);
      if (done) return;
    }
  }

  function announce(announced: Announced): void {
    latest = announced;
    // An object of its own: what is announced while the same was being written is to be looked at again.
    wanted = { ...announced };
    clearTimeout(retry);
    void work();
  }

  return {
    announce,
    isClaimed: () => name === "ours",
    stop() {
      wanted = undefined;
      latest = undefined;
      clearTimeout(retry);
      lease?.unsubscribe();
    },
  };
}

/**
 * What tells this host from another of its name, made at the first start and kept in the state directory.
 *
 * @throws Error when the directory cannot be written
 */
export function readInstance(state: string): string {
  const file = join(state, "instance");
  mkdirSync(state, { recursive: true, mode: 0o700 });
  try {
    const text = readFileSync(file, "utf8").trim();
    if (text !== "") return text;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
  const made = randomUUID();
  writeFileSync(file, `${made}\n`, { mode: 0o600 });
  return made;
}

function parse(value: Buffer | undefined): Record<string, unknown> {
  if (value === undefined) return {};
  try {
    const json: unknown = JSON.parse(value.toString("utf8"));
    return typeof json === "object" && json !== null && !Array.isArray(json) ? { ...json } : {};
  } catch {
    return {}; // no JSON: whatever it was, this host's record is its agent's to write
  }
}
