import { vi } from "vitest";

/** Tries until it holds, where nothing tells of the moment; 20 s are for a busy machine, not for the agent. */
export function eventually<T>(attempt: () => T | Promise<T>, timeout = 20_000): Promise<T> {
  return vi.waitFor(attempt, { timeout, interval: 50 });
}
