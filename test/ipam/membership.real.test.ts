import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createMembership } from "../../src/ipam/membership.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import { type Op, self, worldOf } from "../desired/fold.ts";
import { eventually } from "../eventually.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";

const records: Op[] = [
  { key: "networks/blue", value: { cidr: "10.42.0.0/24", backend: { type: "vxlan", vni: 7 } }, created: 1n },
  { key: "keyspaces/blue/containers/h1/web", value: { name: "web", ip: "10.42.0.9" }, created: 2n },
];

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.end());

/** Joins as h1 in a world that holds the records above, and answers what etcd holds then. */
async function join(prefix: string, garbled: (key: string) => boolean): Promise<Record<string, unknown>> {
  const client = etcd.client({ prefix });
  const events: AgentEvent[] = [];
  const tell = (event: AgentEvent) => events.push(event);
  const inputs = () => ({ world: worldOf(records), self });
  const once = createMembership({ client, inputs, tell, lingerMs: 0 });
  once.review(["blue"]);
  await eventually(() => expect(events).toMatchObject([{ type: "joined" }]));
  once.stop();
  const { records: written } = await client.range("keyspaces/");
  for (const { key } of written) if (garbled(key)) await client.put(key, "garbage");

  const again = createMembership({ client, inputs, tell, lingerMs: 0 });
  again.review(["blue"]);
  await eventually(() => expect(events).toMatchObject([{ type: "joined" }, { type: "joined" }]));
  again.stop();
  const { records: left } = await client.range("keyspaces/");
  expect(left.map(({ key }) => key)).toEqual(written.map(({ key }) => key));
  return Object.fromEntries(left.map(({ key, value }) => [key.split("/")[2], JSON.parse(value.toString())]));
}

test("what is no record stands in nobody's way: a host whose own was garbled joins again", async () => {
  const { blocks, members } = await join("/garbled/", () => true);
  expect(blocks).toEqual({ host: "h1", state: "confirmed" });
  expect(members).toMatchObject({ address: expect.stringMatching(/^10\.42\.0\./) });
});

test("a record that somebody else wrote meanwhile is left alone", async () => {
  const client = etcd.client({ prefix: "/lost/" });
  const record = JSON.stringify({ address: "10.42.0.200", mac: "0e:53:0a:2a:00:c8" });
  await client.put("keyspaces/blue/members/h1", record);
  const events: AgentEvent[] = [];
  const looks = vi.spyOn(client, "get");
  const inputs = () => ({ world: worldOf(records), self });
  const membership = createMembership({ client, inputs, tell: (event) => events.push(event), lingerMs: 0 });
  membership.review(["blue"]);
  await eventually(() => expect(looks.mock.results.length).toBeGreaterThan(1));
  membership.stop();
  expect((await client.get("keyspaces/blue/members/h1"))?.value.toString()).toBe(record);
  expect(events).toEqual([]);
});

test("a host whose address the network has no more leaves at once, however long it lingers otherwise", async () => {
  const client = etcd.client({ prefix: "/moved/" });
  const member = { address: "10.43.0.64", mac: "0e:53:0a:2b:00:40" };
  const key = "keyspaces/blue/members/h1";
  await client.put(key, JSON.stringify(member));
  const world = worldOf([...records, { key, value: member, created: 3n }]);
  const tell = vi.fn();
  const membership = createMembership({ client, inputs: () => ({ world, self }), tell, lingerMs: 60_000 });
  membership.review(["blue"]);
  await eventually(() => expect(tell).toHaveBeenCalledWith(expect.objectContaining({ type: "left" })));
  membership.stop();
  expect(await client.get(key)).toBeUndefined();
});
