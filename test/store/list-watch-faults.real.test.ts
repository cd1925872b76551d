import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client } from "../../src/store/client.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { fill } from "./fill.ts";
import { mirror, truth } from "./mirror.ts";
import { type Line, proxyTo } from "./proxy.ts";

/** Silence is noticed sooner than in earnest, so that tests are short; nothing else differs. */
const soon = { quietMs: 300, answerMs: 300 };

describe("a list-watch of an etcd that fails", () => {
  let etcd: Etcd;
  let writer: Client;
  beforeEach(async () => {
    etcd = await startEtcd();
    writer = etcd.client();
  });
  afterEach(() => etcd.end());

  const watching = async () => {
    const seen = mirror(etcd.client({ prefix: writer.prefix }), "a/", soon);
    await seen.next("fresh");
    return seen;
  };
  const kinds = (log: readonly { type: string }[]) => log.map(({ type }) => type).filter((type) => type !== "progress");

  it("says stale when etcd is killed, fresh when it is back, and lists nothing again", async () => {
    await fill(writer, "a/", 10);
    const seen = await watching();
    const before = seen.log.length;
    const killedAt = Date.now();
    await etcd.kill();
    const stale = await seen.next("stale", before);
    expect(stale).toMatchObject({ code: "unavailable" });
    expect(stale.since).toBeLessThanOrEqual(killedAt);
    await etcd.start();
    await seen.next("fresh", before);
    await writer.put("a/new", "1");
    await seen.until(() => seen.keys.has("a/new"));
    expect(kinds(seen.log.slice(before)).filter((type) => type !== "stale")).toEqual(["fresh", "put"]);
    expect(seen.keys).toEqual(await truth(writer, "a/"));
  });

  it("waits for an etcd that is down at the start", async () => {
    await etcd.kill();
    const seen = mirror(etcd.client({ prefix: writer.prefix }), "a/", soon);
    expect(await seen.next("stale")).toMatchObject({ code: "unavailable" });
    await etcd.start();
    expect(await seen.next("synced")).toMatchObject({ total: 0 });
    await seen.next("fresh");
  });

  it("notices an etcd that hangs, and goes on when it does", async () => {
    const seen = await watching();
    const before = seen.log.length;
    etcd.pause();
    const stale = await seen.next("stale", before);
    expect(stale.code).toBe("unavailable");
    etcd.resume();
    await seen.next("fresh", before);
    await writer.put("a/new", "1");
    await seen.until(() => seen.keys.has("a/new"));
    expect(kinds(seen.log)).not.toContain("doubt");
  });

  it("lists again when what it missed was compacted, and tells what vanished meanwhile", async () => {
    const proxy = await proxyTo(etcd.endpoint);
    try {
      await fill(writer, "a/", 10);
      const seen = mirror(etcd.client({ prefix: writer.prefix, endpoints: [proxy.endpoint] }), "a/", soon);
      await seen.next("fresh");
      const before = seen.log.length;
      proxy.cutAfter(0);
      proxy.cut();
      await seen.next("stale", before);
      await writer.remove("a/000003");
      await writer.put("a/000004", "changed");
      const revision = await writer.put("a/new", "1");
      await writer.etcd.kv.compact({ revision, physical: true });
      proxy.cutAfter(undefined);
      const synced = await seen.next("synced", before);
      expect(synced).toMatchObject({ revision, total: 10, vanished: 1 });
      expect(seen.log.slice(before).filter(({ type }) => type === "put" || type === "delete")).toMatchObject([
        { type: "put", key: "a/000004" },
        { type: "put", key: "a/new" },
        { type: "delete", key: "a/000003", via: "relist", revision },
      ]);
      await seen.next("fresh", before);
      expect(seen.keys).toEqual(await truth(writer, "a/"));
    } finally {
      await proxy.end();
    }
  });

  describe("whose data are put back to an older state", () => {
    it("doubts, lists again and tells everything anew", async () => {
      await fill(writer, "a/", 3);
      await etcd.kill();
      const copy = etcd.saveData();
      await etcd.start();
      for (let i = 0; i < 5; i++) await writer.put(`a/later${i}`, "1");
      const seen = await watching();
      const before = seen.log.length;
      await etcd.kill();
      etcd.restoreData(copy);
      await etcd.start();
      expect((await seen.next("doubt", before)).why).toMatch(/revision/);
      expect(await seen.next("synced", before)).toMatchObject({ total: 3, vanished: 5 });
      await seen.next("fresh", before);
      await writer.put("a/after", "1");
      await seen.until(() => seen.keys.has("a/after"));
      expect(seen.keys).toEqual(await truth(writer, "a/"));
    });

    it("doubts even when new writes have filled the gap before it is back", async () => {
      await fill(writer, "a/", 3);
      await etcd.kill();
      const copy = etcd.saveData();
      await etcd.start();
      await writer.put("a/lost", "1");
      const proxy = await proxyTo(etcd.endpoint);
      try {
        const seen = mirror(etcd.client({ prefix: writer.prefix, endpoints: [proxy.endpoint] }), "a/", soon);
        await seen.next("fresh");
        const before = seen.log.length;
        proxy.cutAfter(0);
        await etcd.kill();
        etcd.restoreData(copy);
        await etcd.start();
        for (let i = 0; i < 10; i++) await writer.put("a/other", String(i));
        proxy.cutAfter(undefined);
        expect((await seen.next("doubt", before)).why).toMatch(/another write/);
        await seen.next("fresh", before);
        expect(seen.keys).toEqual(await truth(writer, "a/"));
      } finally {
        await proxy.end();
      }
    });
  });

  it("doubts when another cluster answers", async () => {
    const other = await startEtcd({ args: ["--initial-cluster-token", "another"] });
    const proxy = await proxyTo(etcd.endpoint);
    try {
      await fill(writer, "a/", 3);
      const stranger = other.client({ prefix: writer.prefix });
      // The same keys at the same revision, of another value.
      await fill(stranger, "a/", 30, "w");
      const seen = mirror(etcd.client({ prefix: writer.prefix, endpoints: [proxy.endpoint] }), "a/", soon);
      await seen.next("fresh");
      const before = seen.log.length;
      proxy.lead(other.endpoint);
      proxy.cut();
      expect((await seen.next("doubt", before)).why).toMatch(/cluster/);
      await seen.next("fresh", before);
      expect(seen.keys).toEqual(await truth(stranger, "a/"));
    } finally {
      await proxy.end();
      await other.end();
    }
  });

  describe("over a line that fails", () => {
    let proxy: Line;
    beforeEach(async () => {
      proxy = await proxyTo(etcd.endpoint);
    });
    afterEach(() => proxy.end());
    const throughProxy = () => etcd.client({ prefix: writer.prefix, endpoints: [proxy.endpoint] });

    it("loses nothing of a catch-up of 3,000 revisions that is cut again and again", async () => {
      await writer.put("a/first", "1");
      const seen = mirror(throughProxy(), "a/", { ...soon, retryMs: [10, 50] });
      await seen.next("fresh");
      const before = seen.log.length;
      proxy.cutAfter(0);
      proxy.cut();
      await seen.next("stale", before);
      // etcd catches a watch up in parts of 1,000 revisions, and each part's header shows the newest revision.
      for (let i = 0; i < 3_000; i += 50)
        await Promise.all(Array.from({ length: 50 }, (_, j) => writer.put(`a/key${i + j}`, "x".repeat(100))));
      for (let bytes = 20_000; seen.keys.size < 3_001; bytes += 20_000) {
        const connections = proxy.connections;
        proxy.cutAfter(bytes);
        await seen.until(() => seen.keys.size === 3_001 || proxy.connections > connections + 2);
      }
      proxy.cutAfter(undefined);
      expect(seen.keys).toEqual(await truth(writer, "a/"));
      expect(kinds(seen.log.slice(before))).not.toContain("synced");
      const revisions = seen.log
        .slice(before)
        .flatMap((event) => (event.type === "put" ? [Number(event.revision)] : []));
      expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
      expect(new Set(revisions).size).toBe(3_000);
    });

    it("tells a catch-up that comes in fragments as one", async () => {
      const seen = mirror(throughProxy(), "a/", soon);
      await seen.next("fresh");
      const before = seen.log.length;
      proxy.cutAfter(0);
      proxy.cut();
      await seen.next("stale", before);
      for (let i = 0; i < 50; i++) await writer.put(`a/big${i}`, "x".repeat(100_000));
      proxy.cutAfter(undefined);
      await seen.until(() => seen.keys.size === 50);
      expect(
        seen.batches.filter((batch) => batch.some(({ type }) => type === "put")).map((batch) => batch.length),
      ).toEqual([50]);
    });

    it("goes on with a list that is cut where it was, in pages that come through", async () => {
      await fill(writer, "a/", 300);
      await fill(writer, "b/", 300, "x".repeat(1_000));
      // Enough for the small keys, and less than a page of the large ones.
      proxy.cutAfter(60_000);
      const client = throughProxy();
      const requests = vi.spyOn(client.etcd.kv, "range");
      const seen = mirror(client, "", { ...soon, pageSize: 100, retryMs: [10, 50] });
      await seen.next("stale");
      await seen.next("synced");
      expect(seen.keys).toEqual(await truth(writer, ""));
      expect(requests.mock.calls.filter(([request]) => request.revision === undefined).length).toBe(1);
    });

    it("notices a line that has gone dead, and takes another", async () => {
      const seen = mirror(throughProxy(), "a/", soon);
      await seen.next("fresh");
      const before = seen.log.length;
      const connections = proxy.connections;
      proxy.freeze();
      await writer.put("a/unheard", "1");
      await seen.until(() => seen.keys.has("a/unheard"));
      expect(proxy.connections).toBeGreaterThan(connections);
      // It was our own asking that found it: keepalive would have, too, but after 15 s.
      expect(seen.log.slice(before).find(({ type }) => type === "stale")).toMatchObject({
        why: expect.stringContaining("ask etcd for its revision"),
      });
    });
  });
});
