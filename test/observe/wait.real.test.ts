import type { Subscription } from "rxjs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Decoded, decode } from "../../src/model/decode.ts";
import { type Revision, revision } from "../../src/model/revision.ts";
import { emptyWorld, put, type World } from "../../src/model/world.ts";
import type { NetworkState, WaitResult } from "../../src/observe/view.ts";
import { waitForNetwork } from "../../src/observe/wait.ts";
import type { Client } from "../../src/store/client.ts";
import { listWatch } from "../../src/store/list-watch.ts";
import { type Etcd, startEtcd } from "../store/etcd.ts";
import { blue } from "./fake-view.ts";

let etcd: Etcd;
let client: Client;
let world: World;
let observed: Revision;
const hosts = new Set<Subscription>();

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd.end());
beforeEach(() => {
  client = etcd.client();
  world = emptyWorld();
  observed = revision("0");
});
afterEach(() => {
  for (const host of hosts) host.unsubscribe();
  hosts.clear();
});

/** Writes a record, which this agent sees at once. */
async function declare(key: string, value: object): Promise<Revision> {
  const text = Buffer.from(JSON.stringify(value));
  const at = await client.put(key, text);
  put(world, decode(key, text) as Decoded, BigInt(at));
  return at;
}

/** A host's agent, as far as others see it: follows the network's records and says how far it is. */
async function run(host: string, does: "converges" | "lags" = "converges"): Promise<void> {
  await client.put(`alive/${host}`, "{}");
  const following = listWatch(client, "keyspaces/blue/").subscribe((events) => {
    for (const event of events) {
      if (event.type !== "put" && event.type !== "synced") continue;
      observed = event.revision;
      void say(host, does === "converges" ? event.revision : revision("1"));
    }
  });
  hosts.add(following);
}

function say(host: string, converged: Revision): Promise<Revision> {
  const failed = [{ row: "route 10.42.0.0/26", code: "ENODEV", message: "no vx0", attempt: 2 }];
  const at = new Date().toISOString();
  const status = {
    host,
    at,
    observed: converged,
    converged,
    rows: 3,
    failed,
    failedCount: 1,
    skipped: [],
    skippedCount: 0,
  };
  return client.put(`status/blue/${host}`, JSON.stringify(status));
}

const join = (host: string, n: number) =>
  declare(`keyspaces/blue/members/${host}`, { address: `10.42.${n}.0`, mac: `0e:53:0a:2a:0${n}:00` });
const network = (more: object = {}) =>
  declare("networks/blue", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1042 }, ...more });

function wait(at: Revision | "now" = "now", signal = new AbortController().signal): Promise<WaitResult> {
  const networks = (): NetworkState[] => (world.networks.has("blue") ? [{ ...blue, observed }] : []);
  return waitForNetwork({ client, view: { world, networks } }, "blue", at, signal);
}

const namesOf = ({ hosts }: WaitResult) => hosts.map(({ host }) => host);

describe("waiting for a network", () => {
  it("ends when every host has converged to what etcd holds now", async () => {
    await network();
    const joined = [await join("h1", 1), await join("h2", 2)];
    await Promise.all([run("h1"), run("h2")]);
    const result = await wait();
    expect(result.converged).toBe(true);
    expect(BigInt(result.revision)).toBeGreaterThan(BigInt(joined.at(-1) as Revision));
    expect(namesOf(result)).toEqual(["h1", "h2"]);
    for (const { converged } of result.hosts)
      expect(BigInt(converged as Revision)).toBeGreaterThanOrEqual(BigInt(result.revision));
  });

  it("says of a host that has not what it is at, and whether it lives", async () => {
    await network();
    await Promise.all([join("h1", 1), join("h2", 2), join("h3", 3)]);
    await Promise.all([run("h1"), run("h2", "lags")]);
    const result = await wait("now", AbortSignal.timeout(500));
    expect(result).toMatchObject({
      converged: false,
      hosts: [
        { host: "h1", alive: true },
        { host: "h2", alive: true, converged: "1", waiting: 1, failed: ["route 10.42.0.0/26: no vx0"] },
        { host: "h3", alive: false, converged: undefined, waiting: 0 },
      ],
    });
  });

  it("waits for hosts that have a container there and are not members yet", async () => {
    await network();
    await join("h1", 1);
    await declare("keyspaces/blue/containers/h2/mongo", { name: "mongo" });
    await run("h1");
    expect(await wait("now", AbortSignal.timeout(300))).toMatchObject({
      converged: false,
      hosts: [{}, { host: "h2" }],
    });
    await run("h2");
    expect(await wait()).toMatchObject({ converged: true });
  });

  it("does not wait for hosts that the network keeps out", async () => {
    await network({ hosts: ["h1"] });
    await join("h1", 1);
    await declare("keyspaces/blue/containers/h9/mongo", { name: "mongo" });
    await run("h1");
    expect(namesOf(await wait())).toEqual(["h1"]);
  });

  it("does not end before this agent knows who the hosts are", async () => {
    await network();
    expect(await wait("now", AbortSignal.timeout(300))).toMatchObject({ converged: false, hosts: [] });
  });

  it("takes nonsense for a status that is not there", async () => {
    await network();
    await join("h1", 1);
    await run("h1");
    await client.put("status/blue/h2", "{");
    await join("h2", 2);
    expect(await wait("now", AbortSignal.timeout(300))).toMatchObject({ converged: false });
  });

  it("waits for a revision that is still to come", async () => {
    const at = await network();
    await join("h1", 1);
    await run("h1");
    const future = revision(String(BigInt(at) + 1_000n));
    await expect(wait(future, AbortSignal.timeout(300))).rejects.toMatchObject({ code: "REVISION_AHEAD" });
    const soon = revision(String(BigInt(await client.put("hosts/h1", "{}")) + 20n));
    const result = wait(soon);
    for (let n = 0; n < 20; n++) await client.put("hosts/h1", "{}");
    expect(await result).toMatchObject({ converged: true, revision: soon });
  });
});

describe("waiting for nothing", () => {
  it("is refused for a network that is not there", async () => {
    await expect(wait()).rejects.toMatchObject({
      code: "NETWORK_UNKNOWN",
      message: "Cannot wait for network blue: expected networks/blue in etcd, got none",
    });
  });

  it("is refused for a network of the same beginning", async () => {
    await client.put("networks/blueish", "{}");
    await expect(wait()).rejects.toMatchObject({ code: "NETWORK_UNKNOWN" });
  });

  it("is refused for a record that is none", async () => {
    await client.put("networks/blue", "{}");
    await expect(wait()).rejects.toMatchObject({ code: "NETWORK_REJECTED", message: expect.stringContaining("cidr") });
  });
});

describe("while etcd is away", () => {
  it("waiting ends in time, and says why", async () => {
    await network();
    await etcd.kill();
    await expect(wait("now", AbortSignal.timeout(500))).rejects.toMatchObject({ code: "ETCD_AWAY" });
    await etcd.start();
  });

  it("waiting goes on, and ends when it is back", async () => {
    await network();
    await join("h1", 1);
    await run("h1");
    await etcd.kill();
    const result = wait();
    await etcd.start();
    expect(await result).toMatchObject({ converged: true, hosts: [{ host: "h1" }] });
  });
});
