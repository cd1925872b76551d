import { Subject } from "rxjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Etcd, startEtcd } from "./etcd.ts";
import { fill } from "./fill.ts";
import { mirror, truth } from "./mirror.ts";

describe("a list-watch", () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.end());

  it("tells the list page by page, then that it is complete, then that the watch stands", async () => {
    const client = etcd.client();
    await fill(client, "a/", 5);
    await client.put("b/other", "not ours");
    const seen = mirror(client, "a/", { pageSize: 2 });
    await seen.next("fresh");
    expect(seen.batches.map((batch) => batch.map((event) => event.type))).toEqual([
      ["put", "put"],
      ["put", "put"],
      ["put", "synced"],
      ["fresh"],
    ]);
    expect(await seen.next("synced")).toMatchObject({ total: 5, vanished: 0 });
    expect(seen.keys).toEqual(await truth(client, "a/"));
  });

  it("reads all pages at one revision, whatever is written in between", async () => {
    const client = etcd.client();
    await fill(client, "a/", 300);
    const seen = mirror(client, "a/", { pageSize: 10 });
    await seen.next("put");
    await client.put("a/000299", "changed while listing");
    await client.remove("a/000298");
    await seen.until(() => !seen.keys.has("a/000298") && seen.keys.get("a/000299")?.startsWith("changed") === true);
    expect(seen.log.filter((event) => event.type === "delete")).toMatchObject([{ key: "a/000298", via: "watch" }]);
    expect(seen.keys).toEqual(await truth(client, "a/"));
  });

  it("tells a transaction in one batch, with its revision, and creation apart from change", async () => {
    const client = etcd.client();
    const created = await client.put("a/x", "1");
    const seen = mirror(client, "a/");
    await seen.next("fresh");
    const done = await client.commit(
      [],
      [
        { type: "put", key: "a/x", value: "2" },
        { type: "put", key: "a/y", value: "3" },
        { type: "remove", key: "a/none" },
      ],
    );
    await seen.until(() => seen.keys.has("a/y"));
    const { revision } = done;
    expect(seen.batches.at(-1)).toEqual([
      { type: "put", key: "a/x", value: Buffer.from("2"), revision, created, via: "watch" },
      { type: "put", key: "a/y", value: Buffer.from("3"), revision, created: revision, via: "watch" },
    ]);
    await client.remove("a/x");
    await seen.until(() => !seen.keys.has("a/x"));
    expect(seen.log.at(-1)).toMatchObject({ type: "delete", key: "a/x", via: "watch" });
  });

  it("answers how far it is when asked", async () => {
    const client = etcd.client();
    const ask$ = new Subject<void>();
    const seen = mirror(client, "a/", { ask$ });
    await seen.next("fresh");
    const revision = await client.put("elsewhere", "1");
    ask$.next();
    expect(await seen.next("progress")).toEqual({ type: "progress", revision, sure: false });
  });

  it("keeps keys apart that are no text, and stands values that are none", async () => {
    const client = etcd.client();
    const seen = mirror(client, "");
    await seen.next("fresh");
    for (const byte of [0xfe, 0xff]) {
      const key = Buffer.concat([Buffer.from(client.prefix), Buffer.from([byte])]);
      await client.etcd.kv.put({ key, value: Buffer.from([0, byte]) });
    }
    await seen.until(() => seen.keys.size === 2);
    expect([...seen.keys.keys()]).toEqual(["\ufffdfe", "\ufffdff"]);
  });

  it("takes 20,000 keys", async () => {
    const client = etcd.client();
    await fill(client, "many/", 20_000);
    const seen = mirror(client, "many/");
    expect(await seen.next("synced")).toMatchObject({ total: 20_000 });
    expect(seen.keys).toEqual(await truth(client, "many/"));
  });

  it("stops telling once unsubscribed, and completes when the client is closed", async () => {
    const client = etcd.client();
    const seen = mirror(client, "a/");
    await seen.next("fresh");
    seen.close();
    const other = mirror(client, "a/");
    await other.next("fresh");
    await client.put("a/late", "1");
    await other.until(() => other.keys.has("a/late"));
    expect(seen.keys.has("a/late")).toBe(false);
    client.close();
    await expect(client.get("a/late")).rejects.toMatchObject({ code: "closed" });
  });
});
