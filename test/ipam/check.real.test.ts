import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { check } from "../../src/ipam/check.ts";
import type { Client } from "../../src/store/client.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";
import { startAllocator } from "./allocator.ts";
import { installation } from "./installation.ts";

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.end());

/** What etcd is made to hold, what is amiss by it as `type key`, what of that no repair mends, and what stands there after it. */
interface Fault {
  name: string;
  planted: Record<string, object | string>;
  found: string[];
  left: string[];
  after: Record<string, object | undefined>;
}

const claim = "addresses/blue/10.42.0.9";
const [web, other] = ["keyspaces/blue/containers/h1/web", "keyspaces/blue/containers/h1/other"];
const member = "keyspaces/blue/members/h1";
const block = "keyspaces/blue/blocks/10.42.0.64-26";
const record = { name: "web", ip: "10.42.0.9" };
const heldBy = (owner: object) => ({ state: "held", owner, sequence: 1 });

const faults: Fault[] = [
  {
    name: "a claim without a record rests",
    planted: { [claim]: heldBy({ host: "h1", container: "ghost" }) },
    found: [`leak ${claim}`],
    left: [],
    after: { [claim]: { state: "resting", owner: { host: "h1", container: "ghost" }, sequence: 2 } },
  },
  {
    name: "a claim whose record has another address rests, and the record gets its own claim",
    planted: { [claim]: heldBy({ host: "h1", container: "web" }), [web]: { ...record, ip: "10.42.0.10" } },
    found: [`leak ${claim}`, "unclaimed addresses/blue/10.42.0.10"],
    left: [],
    after: { [claim]: { state: "resting" }, "addresses/blue/10.42.0.10": heldBy({ host: "h1", container: "web" }) },
  },
  {
    name: "what is no claim goes",
    planted: { [claim]: "garbage" },
    found: [`malformed ${claim}`],
    left: [],
    after: { [claim]: undefined },
  },
  {
    name: "a record without a claim gets one",
    planted: { [web]: record },
    found: [`unclaimed ${claim}`],
    left: [],
    after: { [claim]: heldBy({ host: "h1", container: "web" }), [web]: record },
  },
  {
    name: "an agent's address without a claim gets one",
    planted: { [member]: { address: "10.42.0.9", mac: "0e:53:0a:2a:00:09" } },
    found: [`unclaimed ${claim}`],
    left: [],
    after: { [claim]: heldBy({ host: "h1" }) },
  },
  {
    name: "of two records that name one address the older keeps the claim, and a person decides",
    planted: { [web]: record, [other]: record, [claim]: heldBy({ host: "h1", container: "web" }) },
    found: [`double ${claim}`],
    left: [`double ${claim}`],
    after: { [claim]: heldBy({ host: "h1", container: "web" }), [web]: record, [other]: record },
  },
  {
    name: "where the younger of two has the claim the older gets it, and a person decides",
    planted: { [web]: record, [other]: record, [claim]: heldBy({ host: "h1", container: "other" }) },
    found: [`double ${claim}`, `unclaimed ${claim}`],
    left: [`double ${claim}`],
    after: { [claim]: { ...heldBy({ host: "h1", container: "web" }), sequence: 2 } },
  },
  {
    name: "an address outside of the network stays, for a person to decide",
    planted: { [web]: { ...record, ip: "10.99.0.9" } },
    found: [`outside ${web}`],
    left: [`outside ${web}`],
    after: { [web]: { ...record, ip: "10.99.0.9" }, "addresses/blue/10.99.0.9": undefined },
  },
  {
    name: "a block that was asked for and not taken goes",
    planted: { [block]: { host: "h1", state: "pending" } },
    found: [`pending-block ${block}`],
    left: [],
    after: { [block]: undefined },
  },
  {
    name: "a block of a host without a record goes",
    planted: { [block]: { host: "nobody", state: "confirmed" } },
    found: [`stray-block ${block}`],
    left: [],
    after: { [block]: undefined },
  },
  {
    name: "a block that is merely not in use stays",
    planted: { [block]: { host: "h1", state: "confirmed" } },
    found: [],
    left: [],
    after: { [block]: { host: "h1", state: "confirmed" } },
  },
];

/** In the order given, so that the first is the older. */
async function plant(client: Client, planted: Fault["planted"]): Promise<void> {
  for (const [key, value] of Object.entries(planted))
    await client.put(key, typeof value === "string" ? value : JSON.stringify(value));
}

test.each(faults.map((fault) => [fault.name, fault] as const))("%s", async (_, { planted, found, left, after }) => {
  const { client } = await installation(etcd.client(), ["h1"], { cidr: "10.42.0.0/16" });
  await plant(client, planted);
  const { world, stop } = await startAllocator(etcd.client({ prefix: client.prefix }), "witness");
  onTestFinished(stop);
  const look = async (repair: boolean) => {
    const checked = await check({ client, world, repair, signal: client.signal, settlesMs: 200 });
    return checked.map(({ type, key, repaired }) => ({ fault: `${type} ${key}`, repaired }));
  };
  const faultsOf = async () => (await look(false)).map(({ fault }) => fault).sort();

  expect(await faultsOf()).toEqual(found);
  const repaired = (await look(true)).flatMap((checked) => (checked.repaired ? [checked.fault] : []));
  expect(repaired.sort()).toEqual(found.filter((fault) => !left.includes(fault)));
  expect(await faultsOf()).toEqual(left);
  for (const [key, value] of Object.entries(after)) {
    const stored = await client.get(key);
    if (value === undefined) expect(stored).toBeUndefined();
    else expect(JSON.parse(String(stored?.value))).toMatchObject(value);
  }
});
