import { type IOptions, isRecoverableError } from "etcd3";

type Policy = ReturnType<NonNullable<NonNullable<IOptions["faultHandling"]>["host"]>>;

/**
 * Which endpoint a call goes to. One that failed is passed over for `pauseMs`, so that a hung member costs one deadline
 * and not one for every call that picks it, unless that would leave none: etcd3's own breaker then stays dark for five
 * seconds after etcd is back.
 */
export function passOver(endpoints: readonly string[], pauseMs: number): (endpoint: string) => Policy {
  const failedAt = new Map<string, number>();
  const isOut = (endpoint: string) => performance.now() - (failedAt.get(endpoint) ?? -Infinity) < pauseMs;
  return (endpoint) =>
    policy(async (run) => {
      if (isOut(endpoint) && !endpoints.every(isOut)) throw new Error(`Cannot use ${endpoint}: it failed just now`);
      try {
        const result = await run();
        failedAt.delete(endpoint);
        return result;
      } catch (error) {
        if (error instanceof Error && isRecoverableError(error)) failedAt.set(endpoint, performance.now());
        throw error;
      }
    });
}

/** Every call once: who calls knows whether it may be repeated. */
export function once(): Policy {
  return policy((run) => run());
}

/** cockatiel's interface, as far as etcd3 uses it. */
function policy(execute: <T>(run: () => Promise<T>) => Promise<T>): Policy {
  const silent = () => ({ dispose() {} });
  return {
    _altReturn: undefined as never,
    onSuccess: silent,
    onFailure: silent,
    execute: (fn, signal = new AbortController().signal) => execute(async () => fn({ signal })),
  };
}
