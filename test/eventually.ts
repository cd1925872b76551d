import { vi } from "vitest";

/** Tries until it holds, where nothing tells of the moment; a minute is for a busy machine, not for what is tested. */
export function eventually<T>(attempt: () => T | Promise<T>, timeout = 60_000): Promise<T> {
  return vi.waitFor(attempt, { timeout, interval: 50 });
}
