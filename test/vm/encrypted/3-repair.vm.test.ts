import { beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../../src/cli/client.ts";
import type { RekeyAnswer } from "../../../src/observe/answers.ts";
import { back, nets, patience, pinging, type Sealed, sealed, spis, tunnels, vici, whole } from "./sealed.ts";

/** What is broken comes back by itself. */
let all: Sealed;
beforeAll(async () => {
  all = await sealed();
  await whole(all);
}, patience);

const h1 = () => all.scene.lab.host("h1");

/** Each tunnel of h1, once, up. */
async function oneOfEach(): Promise<void> {
  const { scene } = all;
  await expect
    .poll(async () => (await tunnels(scene, "h1")).map(({ network, state }) => [network, state]), { timeout: 60_000 })
    .toEqual(nets.map((net) => [net, "up"]));
}

/** Both ends count their outgoing SAs as younger than they are: what comes next waits. Rekeyings are an hour apart. */
async function inPlace(): Promise<void> {
  for (const host of ["h1", "h2"])
    await expect
      .poll(
        async () => {
          const { lab } = all.scene;
          const text = await lab.host(host).output("ip", ["-s", "xfrm", "state"]);
          const outgoing = text
            .split(/^(?=src )/m)
            .filter((sa) => sa.startsWith(`src ${lab.host(host).underlay.address()} `));
          return outgoing.map((sa) => Date.parse(/ add (\S+ \S+)/.exec(sa)?.[1] ?? "") > Date.now() + 3_600_000);
        },
        { timeout: 60_000 },
      )
      .toEqual([true, true]);
}

describe("no packet is lost", () => {
  // By SIGTERM nothing else happens, as test/e2e/restart shows; an agent's start takes the machine a quarter of a minute.
  test("when the agent is killed and starts again", async () => {
    const { scene } = all;
    const before = await spis(all);
    const restart = async () => {
      await scene.agent("h1").kill();
      await scene.start("h1");
      for (const net of nets) await scene.converged(net, "h1");
    };
    // Each packet costs the machine time that the agent's start wants.
    const lost = await pinging(all, restart, 100);
    expect(lost).toEqual({ blue: 0, red: 0 });
    // It adopted what charon had: not one SA is another.
    expect(await spis(all)).toEqual(before);
  });
});

/** Packets that kernels dropped since an SA was deleted while they were on their way through it. */
async function cutShort(): Promise<number> {
  const stats = await Promise.all(
    ["h1", "h2"].map((host) => all.scene.lab.host(host).output("cat", ["/proc/net/xfrm_stat"])),
  );
  return stats.reduce((sum, text) => sum + Number(/^XfrmOutStateInvalid\s+(\d+)$/m.exec(text)?.[1]), 0);
}

/** charon's numbers of its IKE_SAs, as `conn-h2: #7, ESTABLISHED, ...` has them. */
async function ikeSas(host: string): Promise<string[]> {
  const text = await all.scene.lab.host(host).output("swanctl", ["--list-sas", "--uri", vici]);
  return [...text.matchAll(/^conn-h[12]: (#\d+)/gm)].map(([, id]) => `${id}`);
}

test("no packet is lost when IKE_SA and children get new keys under load, by either side", async () => {
  const { scene } = all;
  await inPlace();
  const cut = await cutShort();
  const lost = await pinging(
    all,
    async () => {
      for (const [host, peer] of [
        ["h1", "h2"],
        ["h2", "h1"],
      ] as const) {
        const before = await spis(all);
        const [ike] = await ikeSas(host);
        const { tunnels } = await ask<RekeyAnswer>(scene.agent(host).socket, `POST /v1/tunnels/rekey?peer=${peer}`);
        expect(tunnels).toEqual(nets.map((network) => ({ network, peer })));
        await expect
          .poll(async () => (await spis(all)).filter((spi) => !before.includes(spi)).length, { timeout: 60_000 })
          .toBe(before.length);
        await inPlace();
        await scene.lab.host(host).output("swanctl", ["--rekey", "--ike", `conn-${peer}`, "--uri", vici]);
        await expect
          .poll(async () => (await ikeSas(host)).map((id) => id === ike), { timeout: 60_000 })
          .toEqual([false]);
      }
    },
    10,
  );
  expect({ lost, cut: (await cutShort()) - cut }).toEqual({ lost: { blue: 0, red: 0 }, cut: 0 });
  await oneOfEach();
});

describe("it comes back", () => {
  test("when SAs are deleted by hand", async () => {
    const since = performance.now();
    await h1().output("ip", ["xfrm", "state", "deleteall"]);
    await back(all, "SAs were deleted", since);
    await oneOfEach();
  });

  test("when a peer's charon and agent end, and all that its kernel had of IPsec is gone, as after a reboot", async () => {
    const { scene } = all;
    await scene.agent("h2").kill();
    await scene.charon("h2").kill();
    for (const what of ["state", "policy"]) await scene.lab.host("h2").output("ip", ["xfrm", what, "flush"]);
    const since = performance.now();
    await scene.charon("h2").start();
    await scene.start("h2");
    await back(all, "a peer's charon and agent were started", since);
    await oneOfEach();
  });

  test("when an address changes", async () => {
    const { scene } = all;
    const { underlay } = scene.lab.host("h2");
    const was = underlay.address();
    const since = performance.now();
    await underlay.setAddress("10.99.0.22" as typeof was);
    await back(all, "a peer's address changed", since);
    await oneOfEach();
    // What was made for the address that was goes once all else is in place.
    await expect
      .poll(async () => /10\.99\.0\.2\b/.test(await h1().output("ip", ["xfrm", "state"])), { timeout: 60_000 })
      .toBe(false);
    await underlay.setAddress(was);
    await back(all, "it changed back");
    await oneOfEach();
  });

  test("when the wire between two hosts was cut for longer than charon is patient", async () => {
    const { scene } = all;
    const wire = scene.lab.wire;
    await wire.output("ip", ["link", "set", "h2", "down"]);
    await expect
      .poll(async () => (await tunnels(scene, "h1")).map(({ state }) => state === "up"), { timeout: 90_000 })
      .toEqual([false, false]);
    const since = performance.now();
    await wire.output("ip", ["link", "set", "h2", "up"]);
    await back(all, "the wire was whole", since);
    await oneOfEach();
  });
});

test("nothing of all that passed in clear", async () => {
  expect(await all.clear()).toEqual([]);
});
