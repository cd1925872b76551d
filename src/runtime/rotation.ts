import type { PublicKey } from "../desired/rows.ts";
import type { OwnKeys } from "../ike/own-keys.ts";
import { Backoff, pause } from "../store/backoff.ts";

export interface RotationOptions {
  keys: OwnKeys;
  /** Publishes what keys there are now; resolves when etcd has it. */
  publish(signal: AbortSignal): Promise<void>;
  /** Hosts that share an encrypted network and have not taken in what was published; takes a while to answer. */
  waitingFor(signal: AbortSignal): Promise<readonly string[]>;
  /** Tells charon which keys there are. */
  load(): Promise<void>;
  /** The own key is another: what follows from it is wished; resolves when that is done. */
  adopt(): Promise<void>;
  tell(message: string): void;
}

/** How far it is. */
export interface RotationState {
  from: PublicKey;
  to: PublicKey;
  state: "announced" | "done";
  waitingFor: readonly string[];
}

/** This host's key, in the place of another: no peer is ever shown a key that it does not accept. */
export interface Rotation {
  /** Begins, or goes on; answers how far it has come, after a moment. @throws KeyFileError */
  rotate(): Promise<RotationState>;
  /** Goes on with what an end of the agent cut short. */
  resume(): void;
  stop(): void;
}

/** How long who asks waits for the end; on a healthy installation it has come by then. */
const momentMs = 5_000;
/** Between looks at who has not taken the new key in. */
const lookMs = 500;

export function createRotation(options: RotationOptions): Rotation {
  const { keys, publish, waitingFor, load, adopt, tell } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let state: RotationState | undefined;
  let running: Promise<void> | undefined;

  function begin(): Promise<void> {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function run(): Promise<void> {
    const backoff = new Backoff(100, 5_000);
    while (!signal.aborted && isUnderWay()) {
      try {
        await step();
        backoff.reset();
      } catch (cause) {
        if (!signal.aborted) tell(`Cannot go on with the rotation of keys yet: ${(cause as Error).message}`);
        await backoff.pause(signal);
      }
    }
  }

  /** Also after the promotion: the old key is published and charon's until the last step. */
  function isUnderWay(): boolean {
    return keys.next !== undefined || state?.state === "announced";
  }

  async function step(): Promise<void> {
    if (keys.next !== undefined && !(await promoted(keys.next))) return;
    // Peers accept both keys still; SAs stand as they do.
    await adopt();
    await publish(signal);
    keys.forget();
    await load();
    if (state) state = { ...state, state: "done" };
  }

  async function promoted(next: PublicKey): Promise<boolean> {
    // A look takes a while: until it ends, what the one before it saw is what there is to answer.
    const waited = state?.to === next ? state.waitingFor : [];
    state = { from: keys.own, to: next, state: "announced", waitingFor: waited };
    await load();
    await publish(signal);
    const waiting = await waitingFor(signal);
    state = { ...state, waitingFor: waiting };
    if (waiting.length > 0) await pause(lookMs, signal);
    if (waiting.length > 0 || signal.aborted) return false;
    await keys.promote();
    return true;
  }

  return {
    async rotate() {
      if (!running) {
        await keys.prepare();
        state = { from: keys.own, to: keys.next ?? keys.own, state: "announced", waitingFor: [] };
      }
      await Promise.race([begin(), pause(momentMs, signal)]);
      return state as RotationState;
    },
    resume() {
      if (keys.next !== undefined) void begin();
    },
    stop: () => stopping.abort(),
  };
}
