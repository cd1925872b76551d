import type { Underlay } from "../desired/inputs.ts";
import { keyOf } from "../model/keys.ts";
import type { Tell } from "../observe/event.ts";
import type { Client } from "../store/client.ts";

export interface RegistrationOptions {
  client: Client;
  host: string;
  tell: Tell;
}

/** Keeps `hosts/<host>` saying where this host is. */
export interface Registration {
  /** Writes the record if it says something else; repeated until etcd has it. */
  announce(underlay: Underlay): void;
  stop(): void;
}

const firstRetryMs = 100;
const lastRetryMs = 5_000;

export function createRegistration({ client, host, tell }: RegistrationOptions): Registration {
  const key = keyOf({ type: "host", host });
  let wanted: Underlay | undefined;
  let writing = false;
  let retry: NodeJS.Timeout | undefined;
  let delay = firstRetryMs;

  async function write(): Promise<void> {
    if (writing) return;
    writing = true;
    while (wanted) {
      const underlay = wanted;
      wanted = undefined;
      try {
        await publish(underlay);
        delay = firstRetryMs;
      } catch (cause) {
        wanted ??= underlay;
        if (delay === firstRetryMs)
          tell({
            type: "warned",
            code: "REGISTRATION",
            message: `Cannot write ${key}: ${(cause as Error).message}; trying again`,
          });
        retry = setTimeout(() => void write(), delay);
        delay = Math.min(lastRetryMs, delay * 2);
        break;
      }
    }
    writing = false;
  }

  /** Labels and whatever else stands in the record are somebody's, and stay. */
  async function publish({ address }: Underlay): Promise<void> {
    const found = await client.get(key);
    const before = parse(found?.value);
    if (before.address === address) return;
    const value = JSON.stringify({ ...before, address });
    const { done } = await client.commit([{ key, at: found?.revision ?? "absent" }], [{ type: "put", key, value }]);
    if (!done) await publish({ address } as Underlay);
  }

  return {
    announce(underlay) {
      wanted = underlay;
      clearTimeout(retry);
      void write();
    },
    stop() {
      wanted = undefined;
      clearTimeout(retry);
    },
  };
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
