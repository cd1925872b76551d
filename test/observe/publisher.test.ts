import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { revision } from "../../src/model/revision.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import { createPublisher } from "../../src/observe/publisher.ts";
import { statusSchema } from "../../src/observe/status.ts";
import type { AgentView, NetworkState } from "../../src/observe/view.ts";
import { StoreError } from "../../src/store/failure.ts";
import { blue, type FakeView, fakeView, red } from "./fake-view.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000_000_000 }));
afterEach(() => void vi.useRealTimers());

const arrived: NetworkState = { ...blue, failed: [], observed: revision("10"), converged: revision("10") };

/** A publisher whose host is in `states`; `writes` is what etcd was told, as `put KEY CONVERGED` or `remove KEY`. */
function scene(...states: NetworkState[]) {
  const writes: string[] = [];
  const told: AgentEvent[] = [];
  const here = {
    states,
    staleSince: undefined as number | undefined,
    /** What the next writes come to. */
    outage: undefined as StoreError | undefined,
  };
  const etcd: AgentView["etcd"] = () => ({
    endpoints: [],
    prefix: "/skein/v1/",
    embedded: false,
    ...(here.staleSince !== undefined && { staleSince: here.staleSince }),
  });
  const view: FakeView = fakeView({ networks: () => here.states, etcd, braked: () => undefined });
  const client = {
    async put(key: string, value: string | Buffer) {
      const { converged } = statusSchema.parse(JSON.parse(String(value)));
      if (here.outage) throw here.outage;
      writes.push(`put ${key} ${converged}`);
      return revision("99");
    },
    async remove(key: string) {
      if (here.outage) throw here.outage;
      writes.push(`remove ${key}`);
      return { revision: revision("99"), removed: true };
    },
  };
  const publisher = createPublisher({ view, client, tell: (event) => told.push(event) });
  const become = (...next: NetworkState[]) => {
    here.states = next;
    publisher.touch(next.map(({ net }) => net));
  };
  return { here, view, publisher, writes, told, become };
}

const at = (text: string, state = arrived): NetworkState => {
  return { ...state, observed: revision(text), converged: revision(text) };
};
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it("writes the first change at once, and those of the following second together at its end", async () => {
  const { publisher, writes, become } = scene(arrived);
  publisher.touch(["blue"]);
  await pass(0);
  expect(writes).toEqual(["put status/blue/h1 10"]);
  for (const n of [11, 12, 13]) {
    become(at(String(n)));
    await pass(100);
  }
  expect(writes).toHaveLength(1);
  await pass(700);
  expect(writes).toEqual(["put status/blue/h1 10", "put status/blue/h1 13"]);
  await pass(60_000);
  expect(writes).toHaveLength(2);
});

it("says nothing where nothing changed", async () => {
  const { view, publisher, writes } = scene(arrived);
  publisher.touch();
  await pass(5_000);
  view.events$.next({ type: "converged", rows: 42, waiting: 0, writes: 0, ms: 1 });
  await pass(5_000);
  expect(writes).toHaveLength(1);
});

it("gives a change that is being applied a moment, so that its outcome need not wait a second", async () => {
  const { publisher, writes, become } = scene({ ...arrived, observed: revision("11") });
  publisher.touch(["blue"]);
  await pass(5);
  expect(writes).toEqual([]);
  become(at("11"));
  await pass(5);
  expect(writes).toEqual(["put status/blue/h1 11"]);
});

it("does not wait for what takes long", async () => {
  const { publisher, writes } = scene({ ...arrived, observed: revision("11") });
  publisher.touch(["blue"]);
  await pass(60);
  expect(writes).toEqual(["put status/blue/h1 10"]);
});

it("looks at networks but now and then in a flood of changes", async () => {
  let looks = 0;
  const { view, publisher } = scene(arrived);
  const networks = () => {
    looks++;
    return [arrived];
  };
  publisher.stop();
  const flooded = createPublisher({ view: { ...view, networks }, client: slowClient().client, tell: () => {} });
  for (let ms = 0; ms < 100; ms++) {
    flooded.touch(["blue"]);
    await pass(1);
  }
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThanOrEqual(11);
});

it("holds one network's news up for no other", async () => {
  const other = { ...arrived, net: "green" };
  const { publisher, writes, become } = scene(arrived, other);
  publisher.touch(["blue"]);
  await pass(10);
  become(arrived, other);
  await pass(10);
  expect(writes).toEqual(["put status/blue/h1 10", "put status/green/h1 10"]);
});

it("is silent while etcd is away, and says the newest when it is back", async () => {
  const { here, view, writes, become } = scene(arrived);
  here.staleSince = Date.now();
  become(at("11"));
  await pass(5_000);
  become(at("12"));
  await pass(5_000);
  expect(writes).toEqual([]);
  here.staleSince = undefined;
  view.events$.next({ type: "fresh", keys: "networks/", staleMs: 10_000 });
  await pass(10);
  expect(writes).toEqual(["put status/blue/h1 12"]);
});

it("tries again a second after a write failed, and warns once", async () => {
  const { here, told, writes, become } = scene(arrived);
  here.outage = new StoreError("unavailable", "Cannot put status/blue/h1: expected etcd's answer, got none");
  become(at("11"));
  await pass(3_500);
  expect(told.map(({ type }) => type)).toEqual(["warned"]);
  here.outage = undefined;
  await pass(1_000);
  expect(writes).toEqual(["put status/blue/h1 11"]);
});

it("takes its word back when the host leaves the network", async () => {
  const { view, writes, become } = scene(at("11"));
  become(at("11"));
  await pass(2_000);
  view.world.keyspaces.get("blue")?.containers.delete("h1");
  become({ ...at("12"), member: undefined });
  await pass(2_000);
  expect(writes).toEqual(["put status/blue/h1 11", "remove status/blue/h1"]);
});

it("takes back what an earlier run said of a network that is left now", async () => {
  const { here, view, writes } = scene();
  here.states = [];
  view.events$.next({ type: "left", net: "blue", why: "its last container went" });
  await pass(10);
  expect(writes).toEqual(["remove status/blue/h1"]);
});

it("says nothing of networks that this host has no part in", async () => {
  const { publisher, writes } = scene(red);
  publisher.touch();
  await pass(2_000);
  expect(writes).toEqual([]);
});

/** A client whose writes stay under way until `answer` is called. */
function slowClient() {
  const log: string[] = [];
  const pending: (() => void)[] = [];
  const client = {
    put(_: string, value: string | Buffer) {
      log.push(`begin ${statusSchema.parse(JSON.parse(String(value))).converged}`);
      return new Promise<ReturnType<typeof revision>>((resolve) => pending.push(() => resolve(revision("99"))));
    },
    async remove() {
      log.push("remove");
      return { revision: revision("99"), removed: true };
    },
  };
  const answer = () => {
    log.push("end");
    pending.shift()?.();
  };
  return { client, log, answer };
}

it("has one write under way at a time, and goes on with the newest", async () => {
  const { here, view } = scene(arrived);
  const { client, log, answer } = slowClient();
  const publisher = createPublisher({ view, client, tell: () => {} });
  publisher.touch();
  await pass(0);
  for (const n of ["11", "12"]) {
    here.states = [at(n)];
    publisher.touch();
    await pass(3_000);
  }
  answer();
  await pass(10);
  expect(log).toEqual(["begin 10", "end", "begin 12"]);
});

it("removes all it said when the host leaves, after what is under way", async () => {
  const { view } = scene(arrived);
  const { client, log, answer } = slowClient();
  const publisher = createPublisher({ view, client, tell: () => {} });
  publisher.touch();
  await pass(0);
  const left = publisher.leave();
  publisher.touch();
  await pass(2_000);
  answer();
  await left;
  await pass(2_000);
  expect(log).toEqual(["begin 10", "end", "remove"]);
});
