import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../src/store/client.ts";
import { openWatch, type Told, type WatchOptions } from "../../src/store/watch-stream.ts";
import { type Etcd, startEtcd } from "./etcd.ts";

describe("one watch", () => {
  let etcd: Etcd;
  let client: Client;
  let cluster: string;
  beforeAll(async () => {
    etcd = await startEtcd();
    client = etcd.client();
    cluster = (await client.etcd.maintenance.status()).header.cluster_id;
  });
  afterAll(() => etcd.end());

  const watch = (options: Partial<WatchOptions>) =>
    openWatch(client, {
      range: client.rangeOf("a/"),
      from: "1" as WatchOptions["from"],
      cluster,
      quietMs: 100,
      answerMs: 1_000,
      tell: () => undefined,
      missed: async () => undefined,
      ...options,
    });

  it("ends when another cluster answers than the one that was listed", async () => {
    const { ended } = watch({ cluster: "7" });
    expect(await ended).toEqual({ type: "foreign", why: `cluster 7 was followed, and ${cluster} answers` });
  });

  it("ends when what it is to begin with was compacted", async () => {
    await client.put("a/x", "1");
    const revision = await client.put("a/x", "2");
    await client.etcd.kv.compact({ revision });
    expect(await watch({}).ended).toEqual({ type: "compacted", oldest: revision });
  });

  it("asks by itself when it is quiet, and is answered", async () => {
    const revision = await client.put("a/x", "3");
    const told: Told[] = [];
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    const stream = watch({
      from: revision,
      tell: (said) => {
        told.push(said);
        if (said.type === "progress") resolve();
      },
    });
    await answered;
    expect(told).toMatchObject([{ type: "created" }, { type: "events" }, { type: "progress", revision, sure: false }]);
    stream.close();
    expect(await stream.ended).toMatchObject({ type: "lost", error: { code: "closed" } });
  });

  it("ends as deaf when it does not answer, and something should have come", async () => {
    const revision = await client.put("a/x", "4");
    const { promise: stands, resolve } = Promise.withResolvers<void>();
    const asked: number[] = [];
    const stream = watch({
      from: revision,
      answerMs: 200,
      tell: () => resolve(),
      missed: async () => {
        asked.push(performance.now());
        return asked.length === 1 ? undefined : "etcd is ahead";
      },
    });
    await stands;
    etcd.pause();
    expect(await stream.ended).toEqual({ type: "deaf", why: "etcd is ahead" });
    etcd.resume();
    expect(asked.length).toBe(2);
  });
});
