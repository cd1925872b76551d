import { keyOf } from "../model/keys.ts";
import type { Client } from "../store/client.ts";
import type { AgentEvent, Tell } from "./event.ts";
import { type OwnStatus, ownStatus } from "./own-status.ts";
import type { AgentView, NetworkState } from "./view.ts";

export interface PublisherOptions {
  view: Pick<AgentView, "host" | "world" | "events$" | "networks" | "braked" | "etcd">;
  client: Pick<Client, "put" | "remove">;
  tell: Tell;
  /** Whether the host's name is this agent's to write under; `touch` it when that changes. */
  mayWrite?(): boolean;
}

/**
 * Keeps `status/<net>/<host>` saying how far this host is, for every network it takes part in: at once when something
 * changed, then at most once a second a network, and nothing while etcd is away.
 */
export interface Publisher {
  /** These networks may look different now; all of them where none are named. Cheap. */
  touch(nets?: Iterable<string>): void;
  /** Takes back what this host said of any network, and says no more. @throws StoreError */
  leave(): Promise<void>;
  /** Says no more; what was said stays. */
  stop(): void;
}

/** Milliseconds between two writes for one network. */
const pause = 1_000;

/**
 * A change is seen some milliseconds before it is applied. A write in between would only make those who wait for the
 * outcome wait for the next one, a second later; so a network on its way is given so many milliseconds to arrive.
 */
const settling = 50;

/** Milliseconds between two looks at all networks: a flood of changes must not become one of looks. */
const spacing = 10;

interface Slot {
  net: string;
  /** performance.now() of the first change that was not looked at. */
  dirtySince: number | undefined;
  quietUntil: number;
  busy: boolean;
  /** What etcd has, without the time; null: nothing; undefined: not known. */
  written: string | null | undefined;
}

export function createPublisher({ view, client, tell, mayWrite = () => true }: PublisherOptions): Publisher {
  const slots = new Map<string, Slot>();
  const writing = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let touchedAll = false;
  let stopped = false;
  let warned = false;

  const subscription = view.events$.subscribe((event) => {
    if (event.type === "left") slotOf(event.net).written = undefined;
    if (bears(event)) touch();
  });

  function slotOf(net: string): Slot {
    const found = slots.get(net);
    if (found !== undefined) return found;
    const slot: Slot = { net, dirtySince: undefined, quietUntil: 0, busy: false, written: null };
    slots.set(net, slot);
    return slot;
  }

  function touch(nets?: Iterable<string>): void {
    if (nets === undefined) touchedAll = true;
    else for (const net of nets) slotOf(net).dirtySince ??= performance.now();
    lookIn(0);
  }

  function lookIn(ms: number): void {
    const now = performance.now();
    const at = Math.max(now + ms, lookedAt + spacing);
    if (stopped || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(look, at - now);
    timer.unref();
  }

  function look(): void {
    const now = performance.now();
    dueAt = Number.POSITIVE_INFINITY;
    lookedAt = now;
    // `fresh` looks again.
    if (view.etcd().staleSince !== undefined || !mayWrite()) return;
    const states = new Map(view.networks().map((state) => [state.net, state]));
    if (touchedAll) for (const net of [...states.keys(), ...slots.keys()]) slotOf(net).dirtySince ??= now;
    touchedAll = false;
    for (const slot of slots.values()) {
      if (slot.dirtySince === undefined || slot.busy) continue;
      const state = states.get(slot.net);
      const settled = state && underWay(state) ? slot.dirtySince + settling : 0;
      const wait = Math.max(slot.quietUntil, settled) - now;
      if (wait > 0) lookIn(wait);
      else publish(slot, state);
    }
  }

  function publish(slot: Slot, state: NetworkState | undefined): void {
    slot.dirtySince = undefined;
    const status = state && takesPart(state) ? ownStatus(view, state) : null;
    if ((status && JSON.stringify(status)) !== slot.written) {
      slot.busy = true;
      slot.quietUntil = performance.now() + pause;
      const done = write(slot, status).finally(() => writing.delete(done));
      writing.add(done);
    } else if (status === null) slots.delete(slot.net);
  }

  async function write(slot: Slot, status: OwnStatus | null): Promise<void> {
    const key = keyOf({ type: "status", net: slot.net, host: view.host });
    try {
      if (status === null) await client.remove(key);
      else await client.put(key, JSON.stringify({ ...status, at: new Date().toISOString() }));
      slot.written = status && JSON.stringify(status);
      warned = false;
    } catch (cause) {
      // Whether it was written is not known now.
      slot.written = undefined;
      slot.dirtySince ??= performance.now();
      if (!stopped && !warned) tell(warning(key, cause));
      warned = true;
    }
    slot.busy = false;
    if (slot.dirtySince !== undefined) lookIn(0);
  }

  function takesPart({ net, member }: NetworkState): boolean {
    return member !== undefined || (view.world.keyspaces.get(net)?.containers.has(view.host) ?? false);
  }

  function stop(): void {
    stopped = true;
    clearTimeout(timer);
    subscription.unsubscribe();
  }

  return {
    touch,
    stop,
    async leave() {
      stop();
      // A write under way would come after the removal.
      await Promise.all(writing);
      const nets = new Set([...slots.keys(), ...view.networks().map(({ net }) => net)]);
      await Promise.all([...nets].map((net) => client.remove(keyOf({ type: "status", net, host: view.host }))));
    },
  };
}

function underWay({ observed, converged, failed }: NetworkState): boolean {
  return observed !== converged && failed.length === 0;
}

/** The rest is told by `touch`, or is no news for a status. */
function bears({ type }: AgentEvent): boolean {
  switch (type) {
    case "converged":
    case "failed":
    case "skipped":
    case "joined":
    case "left":
    case "braked":
    case "released":
    case "fresh":
    case "tunnel-up":
    case "tunnel-down":
    case "tunnel-lost":
    case "tunnel-retrying":
    case "charon-away":
    case "charon-back":
      return true;
    default:
      return false;
  }
}

function warning(key: string, cause: unknown): AgentEvent {
  const text = cause instanceof Error ? cause.message : String(cause);
  return { type: "warned", code: "STATUS", message: `${text}; ${key} is behind until that works again` };
}
