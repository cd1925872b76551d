import { expect, onTestFinished, test } from "vitest";
import type { HostIpsec } from "../src/ipsec.ts";
import { keyRotation } from "../src/key-rotation.ts";
import type { Revision } from "../src/model/revision.ts";
import type { WaitResult } from "../src/observe/view.ts";
import type { Client } from "../src/store/client.ts";
import { type FakeOwnKeys, fakeOwnKeys, newKey, oldKey } from "./runtime/fake-own-keys.ts";

interface Given {
  /** How far hosts are, by look; the revision waited for is 7. */
  looks?: Record<string, string | undefined>[];
  /** Writes that do not reach etcd, the first ones. */
  lost?: number;
}

/** Host h1 in the network blue, an etcd that has what is announced, and a charon. */
function scene({ looks = [], lost = 0 }: Given = {}) {
  const steps: string[] = [];
  const here: { keys: FakeOwnKeys | undefined } = { keys: fakeOwnKeys((step) => steps.push(step)) };
  const announced = () => {
    const { own, next } = here.keys as FakeOwnKeys;
    return { ike: { keys: next === undefined ? [own] : [own, next] } };
  };
  let losses = lost;
  let record = Buffer.from("{}");
  const client = { get: async () => ({ value: record }) } as unknown as Client;
  const tunnels = { reload: async () => void steps.push("reload") };
  const ipsec = {
    tunnels,
    announced,
    get keys() {
      return here.keys;
    },
  } as unknown as HostIpsec;
  const rotation = keyRotation({
    client,
    host: "h1",
    ipsec,
    nets: () => ["blue"],
    async wait(net) {
      const converged = looks.shift() ?? { h2: "7" };
      steps.push(`wait ${net}`);
      const hosts = Object.entries(converged).map(([host, at]) => ({ host, converged: at }));
      return { revision: "7" as Revision, hosts } as unknown as WaitResult;
    },
    announce() {
      steps.push("announce");
      if (losses-- > 0) return;
      record = Buffer.from(JSON.stringify({ address: "10.99.0.1", ...announced() }));
    },
    adopt: async () => void steps.push("adopt"),
    tell: (message) => steps.push(message),
  });
  onTestFinished(() => rotation()?.stop());
  return { rotation, here, steps };
}

const last = ["wait blue", "promote", "adopt", "announce", "forget"];

test("a peer is waited for while it is behind what was published, or says nothing; this host is not", async () => {
  const { rotation, steps } = scene({
    looks: [{ h2: "6" }, { h2: "7", h3: undefined }, { h1: "6", h2: "7", h3: "10" }],
  });
  expect(await rotation()?.rotate()).toEqual({ from: oldKey, to: newKey, state: "done", waitingFor: [] });
  const look = ["reload", "announce", "wait blue"];
  expect(steps).toEqual(["prepare", ...look, ...look, "reload", "announce", ...last, "reload"]);
});

test("peers are looked at only once etcd has the new key", async () => {
  const { rotation, steps } = scene({ lost: 2 });
  await rotation()?.rotate();
  expect(steps).toEqual(["prepare", "reload", "announce", "announce", "announce", ...last, "reload"]);
});

test("where there are no keys there is no rotation, until they come", async () => {
  const { rotation, here } = scene();
  const { keys } = here;
  here.keys = undefined;
  expect(rotation()).toBeUndefined();
  here.keys = keys;
  expect(rotation()).toBe(rotation());
  expect(await rotation()?.rotate()).toMatchObject({ state: "done", to: newKey });
});
