import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Ip } from "../../src/model/address.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import { type Announced, createRegistration, readInstance } from "../../src/runtime/registration.ts";
import { eventually } from "../eventually.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.end());

function at(address: string, ...keys: string[]): Announced {
  return { address: address as Ip, ...(keys.length > 0 && { ike: { keys } }) };
}

test("the record follows the underlay, and keeps what others wrote into it", async () => {
  const client = etcd.client();
  await client.put("hosts/h1", JSON.stringify({ address: "10.99.0.9", labels: { rack: "7" } }));
  const registration = createRegistration({ client, host: "h1", instance: "a", tell: () => {} });
  const says = async () => JSON.parse((await client.get("hosts/h1"))?.value.toString() ?? "null");
  registration.announce(at("10.99.0.1"));
  await eventually(async () => expect(await says()).toEqual({ address: "10.99.0.1", labels: { rack: "7" } }));
  registration.announce(at("10.99.0.2"));
  await eventually(async () => expect((await says()).address).toBe("10.99.0.2"));
  registration.stop();
});

test("the record names the keys that peers may pin, and none any more where there are none", async () => {
  const client = etcd.client();
  await client.put("hosts/h1", JSON.stringify({ address: "10.99.0.1", labels: { rack: "7" } }));
  const registration = createRegistration({ client, host: "h1", instance: "a", tell: () => {} });
  const says = async () => JSON.parse((await client.get("hosts/h1"))?.value.toString() ?? "null");
  const [old, next] = ["o", "n"].map((letter) => `${letter.repeat(42)}A=`) as [string, string];
  for (const keys of [[old], [old, next], [next]]) {
    registration.announce(at("10.99.0.1", ...keys));
    await eventually(async () =>
      expect(await says()).toEqual({ address: "10.99.0.1", labels: { rack: "7" }, ike: { keys } }),
    );
  }
  registration.announce(at("10.99.0.1"));
  await eventually(async () => expect(await says()).toEqual({ address: "10.99.0.1", labels: { rack: "7" } }));
  registration.stop();
});

test.each([
  ["no JSON", "garbage"],
  ["what peers refuse", JSON.stringify({ address: "10.99.0.1", labels: 7 })],
])("a record overwritten by %s is written anew", async (_, garbage) => {
  const client = etcd.client();
  await client.put("hosts/h1", garbage);
  const registration = createRegistration({ client, host: "h1", instance: "a", tell: () => {} });
  registration.announce(at("10.99.0.1"));
  await eventually(async () =>
    expect((await client.get("hosts/h1"))?.value.toString()).toBe('{"address":"10.99.0.1"}'),
  );
  registration.stop();
});

test("a second agent of the name says so and writes nothing; the same one started again goes on", async () => {
  const client = etcd.client();
  const first = createRegistration({ client, host: "h1", instance: "a", tell: () => {} });
  first.announce(at("10.99.0.1"));
  await eventually(async () => expect(await client.get("hosts/h1")).toBeDefined());
  await eventually(async () => expect(await client.get("alive/h1")).toBeDefined());
  const events: AgentEvent[] = [];
  const second = createRegistration({ client, host: "h1", instance: "b", tell: (event) => events.push(event) });
  second.announce(at("10.99.0.2"));
  await eventually(() => expect(events).toMatchObject([{ type: "warned", code: "REGISTRATION" }]));
  expect((await client.get("hosts/h1"))?.value.toString()).toContain("10.99.0.1");
  second.stop();
  first.stop();
  const again = createRegistration({ client, host: "h1", instance: "a", tell: (event) => events.push(event) });
  again.announce(at("10.99.0.3"));
  await eventually(async () => expect((await client.get("hosts/h1"))?.value.toString()).toContain("10.99.0.3"));
  again.stop();
});

test("of two agents of one name that start at once, one has it; when it is gone the other does", async () => {
  const client = etcd.client();
  const claimed: string[] = [];
  const agents = ["a", "b"].map((instance) =>
    createRegistration({ client, host: "h1", instance, tell: () => {}, claimed: () => claimed.push(instance) }),
  );
  for (const [n, agent] of agents.entries()) agent.announce(at(`10.99.0.${n + 1}`));
  await eventually(() => expect(claimed).toHaveLength(1));
  const first = agents[claimed[0] === "a" ? 0 : 1];
  const second = agents[claimed[0] === "a" ? 1 : 0];
  await eventually(async () => expect(await client.get("hosts/h1")).toBeDefined());
  expect([first?.isClaimed(), second?.isClaimed()]).toEqual([true, false]);
  first?.stop();
  await client.remove("alive/h1");
  await eventually(() => expect(second?.isClaimed()).toBe(true));
  second?.stop();
});

test("the instance is made once and read again", () => {
  const state = mkdtempSync(join(tmpdir(), "skein-instance-"));
  try {
    const made = readInstance(join(state, "below"));
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    expect(readInstance(join(state, "below"))).toBe(made);
  } finally {
    rmSync(state, { recursive: true });
  }
});
