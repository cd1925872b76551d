import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Etcd, freePort, startEtcd } from "./etcd.ts";

describe("a client", () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.end());

  it("puts, gets, lists and removes below its prefix only", async () => {
    const [one, other] = [etcd.client(), etcd.client()];
    const created = await one.put("a/x", "1");
    const revision = await one.put("a/x", "2");
    await other.put("a/x", "elsewhere");
    const x = { key: "a/x", value: Buffer.from("2"), revision, created, lease: "0" };
    expect(await one.get("a/x")).toEqual(x);
    expect((await one.range("a/")).records).toEqual([x]);
    expect(await one.get("a/y")).toBeUndefined();
    expect(await one.remove("a/x")).toMatchObject({ removed: true });
    expect(await one.remove("a/x")).toMatchObject({ removed: false });
    expect(await other.get("a/x")).toBeDefined();
  });

  it("commits all writes or none, and says what it found instead", async () => {
    const client = etcd.client();
    const absent = [{ key: "claim", at: "absent" as const }];
    const first = await client.commit(absent, [{ type: "put", key: "claim", value: "mine" }]);
    expect(first.done).toBe(true);
    const second = await client.commit(absent, [
      { type: "put", key: "claim", value: "yours" },
      { type: "put", key: "other", value: "too" },
    ]);
    expect(second).toMatchObject({ done: false, found: [{ key: "claim", revision: first.revision }] });
    expect(await client.get("other")).toBeUndefined();
    const swapped = await client.commit([{ key: "claim", at: first.revision }], [{ type: "remove", key: "claim" }]);
    expect(swapped.done).toBe(true);
    expect(await client.commit([{ key: "claim", at: first.revision }], [])).toMatchObject({
      done: false,
      found: [undefined],
    });
  });

  it("refuses more writes than etcd takes at once", async () => {
    const writes = Array.from({ length: 129 }, (_, i) => ({ type: "remove" as const, key: `k${i}` }));
    await expect(etcd.client().commit([], writes)).rejects.toThrow(
      "Cannot write to etcd: expected at most 128 writes at once, got 129",
    );
  });

  it("uses the endpoint that answers, whatever the order", async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    for (const endpoints of [
      [dead, etcd.endpoint],
      [etcd.endpoint, dead],
    ]) {
      const client = etcd.client({ endpoints });
      for (let i = 0; i < 10; i++) await client.put("a", String(i));
    }
  });

  it("waits for a hung endpoint once, not with every call", async () => {
    const hung = await startEtcd();
    const client = etcd.client({ endpoints: [hung.endpoint, etcd.endpoint], deadlineMs: 300 });
    hung.pause();
    try {
      const slow: number[] = [];
      for (let i = 0; i < 20; i++) {
        const from = performance.now();
        await client.get("a");
        if (performance.now() - from >= 300) slow.push(i);
      }
      expect(slow.length).toBeLessThanOrEqual(1);
    } finally {
      hung.resume();
      await hung.end();
    }
  });

  it("names the call and what etcd said in its errors", async () => {
    const client = etcd.client({ endpoints: [`http://127.0.0.1:${await freePort()}`] });
    await expect(client.put("networks/blue", "{}")).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/^Cannot put networks\/blue: expected etcd's answer, got "connect ECONNREFUSED/),
    });
  });
});
