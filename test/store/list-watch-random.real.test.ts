import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Etcd, startEtcd } from "./etcd.ts";
import { mirror, truth } from "./mirror.ts";
import { proxyTo } from "./proxy.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.end());

const key = fc.integer({ min: 0, max: 9 }).map((n) => `a/${n}`);
const act = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("put" as const), key, size: fc.integer({ min: 0, max: 3_000 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("cutAfter" as const), bytes: fc.integer({ min: 0, max: 20_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const) }) },
);

it("whatever is written, cut and compacted, what was told adds up to what etcd holds", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 60 }), async (acts) => {
      const writer = etcd.client();
      const line = await proxyTo(etcd.endpoint);
      const reader = etcd.client({ prefix: writer.prefix, endpoints: [line.endpoint] });
      const seen = mirror(reader, "a/", { pageSize: 3, quietMs: 200, answerMs: 200, retryMs: [5, 20] });
      try {
        for (const step of acts) {
          if (step.do === "put") await writer.put(step.key, "x".repeat(step.size));
          if (step.do === "remove") await writer.remove(step.key);
          if (step.do === "cut") line.cut();
          if (step.do === "cutAfter") line.cutAfter(step.bytes);
          if (step.do === "compact") await writer.etcd.kv.compact({ revision: await writer.put("elsewhere", "") });
        }
        line.cutAfter(undefined);
        const last = await writer.put("a/last", "");
        await seen.until(() => seen.keys.get("a/last") === ` @${last}`);
        // A list may tell the last key before it tells what vanished.
        await seen.until(() => seen.log.findLast(({ type }) => type === "fresh" || type === "stale")?.type === "fresh");
        expect(seen.keys).toEqual(await truth(writer, "a/"));
      } finally {
        reader.close();
        writer.close();
        await line.end();
      }
    }),
    { numRuns: 25 },
  );
});
