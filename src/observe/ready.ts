import { pause } from "../store/backoff.ts";

/** Milliseconds between looks; readiness comes once in the life of an agent. */
const lookEvery = 10;

/** Whether it became ready before the signal aborted. */
export async function whenReady(ready: () => boolean, signal: AbortSignal): Promise<boolean> {
  while (!ready() && !signal.aborted) await pause(lookEvery, signal);
  return ready();
}
