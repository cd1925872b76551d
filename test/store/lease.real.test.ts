import type { Subscription } from "rxjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/store/client.ts";
import { hold, type LeaseState } from "../../src/store/lease.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { mirror } from "./mirror.ts";

describe("a key held under a lease", () => {
  let etcd: Etcd;
  let client: Client;
  beforeEach(async () => {
    etcd = await startEtcd();
    client = etcd.client();
  });
  afterEach(() => etcd.end());

  function holding(): { states: LeaseState[]; subscription: Subscription } {
    const states: LeaseState[] = [];
    const subscription = hold(client, { key: "alive/h1", value: "{}", ttlSeconds: 2 }).subscribe((state) => {
      states.push(state);
    });
    return { states, subscription };
  }
  const alive = () => mirror(client, "alive/", { quietMs: 300, answerMs: 300 });

  it("stands as long as it is held, and goes with its lease after that", async () => {
    const seen = alive();
    const { states, subscription } = holding();
    await seen.until(() => seen.keys.has("alive/h1"));
    // Three renewals: longer than the lease alone would last.
    await seen.until(() => states.length >= 4 || !seen.keys.has("alive/h1"));
    const lease = (await client.get("alive/h1"))?.lease;
    expect(states).toEqual(Array.from({ length: 4 }, () => ({ type: "held", lease, ttlSeconds: 2 })));
    subscription.unsubscribe();
    await seen.until(() => !seen.keys.has("alive/h1"));
  });

  it("comes back under a new lease when its own is revoked", async () => {
    const seen = alive();
    const { states } = holding();
    await seen.until(() => seen.keys.has("alive/h1"));
    const before = (await client.get("alive/h1"))?.lease ?? "";
    await client.etcd.leaseClient.leaseRevoke({ ID: before });
    await seen.next("delete");
    await seen.until(() => seen.keys.has("alive/h1"));
    expect(states.find(({ type }) => type === "lost")).toEqual({ type: "lost", lease: before });
    expect((await client.get("alive/h1"))?.lease).not.toBe(before);
  });

  it("comes back when somebody removes it, or writes it without the lease", async () => {
    const seen = alive();
    holding();
    await seen.until(() => seen.keys.has("alive/h1"));
    const lease = (await client.get("alive/h1"))?.lease;
    const puts = () => seen.log.filter(({ type }) => type === "put").length;
    await client.remove("alive/h1");
    await seen.until(() => puts() === 2);
    await client.put("alive/h1", "not under a lease");
    await seen.until(() => puts() === 4);
    expect((await client.get("alive/h1"))?.lease).toBe(lease);
  });

  it("says that it fails while etcd is away, from the start or later, and is held again after", async () => {
    await etcd.kill();
    const { states } = holding();
    const seen = alive();
    await seen.next("stale");
    await etcd.start();
    await seen.until(() => seen.keys.has("alive/h1"));
    expect(states[0]).toMatchObject({ type: "failing", why: expect.stringContaining("Cannot") });
    await etcd.kill();
    const { length } = states;
    await etcd.start();
    await seen.next("fresh", seen.log.length);
    await seen.until(() => states.slice(length).some(({ type }) => type === "held"));
    expect(await client.get("alive/h1")).toBeDefined();
  });
});
