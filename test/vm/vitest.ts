import { setTimeout as pause } from "node:timers/promises";
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from "@vitest/expect";

/**
 * What stands for `vitest` in the machine: its own runner and matchers without what surrounds them there, the workers and
 * the server of modules, which takes half a minute to start without hardware's help.
 */
export { afterAll, afterEach, beforeAll, beforeEach, describe, onTestFinished, test } from "@vitest/runner";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

const globals = globalThis as unknown as Record<symbol, object>;

export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  globals[ASYMMETRIC_MATCHERS_OBJECT],
  { poll },
);
globals[GLOBAL_EXPECT] = expect;

type Matchers = Record<string, (...expected: unknown[]) => void>;

/** Matchers of what `read` answers, tried until they hold. */
function poll(read: () => unknown, patience?: Patience): Matchers {
  const attempt = async (name: string, expected: unknown[]) =>
    (chai.expect(await read()) as unknown as Matchers)[name]?.(...expected);
  const get =
    (_: object, name: string) =>
    (...expected: unknown[]) =>
      vi.waitFor(() => attempt(name, expected), patience);
  return new Proxy({}, { get });
}

interface Patience {
  timeout?: number;
  interval?: number;
}

/** The one thing of `vi` that has a use here. */
export const vi = {
  async waitFor<T>(attempt: () => T | Promise<T>, { timeout = 1000, interval = 50 }: Patience = {}): Promise<T> {
    const end = performance.now() + timeout;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() > end) throw error;
        await pause(interval);
      }
    }
  },
};
