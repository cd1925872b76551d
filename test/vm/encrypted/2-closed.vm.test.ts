import { beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../../src/cli/client.ts";
import { ping } from "../../../src/lab/demo/ping.ts";
import {
  back,
  container,
  keysOf,
  nets,
  patience,
  pinging,
  reaches,
  type Sealed,
  sealed,
  status,
  tunnels,
  vici,
  whole,
} from "./sealed.ts";

/** Whatever breaks, packets pass as ESP or not at all; the wire's captures are the witness, over all of it. */
let all: Sealed;
beforeAll(async () => {
  all = await sealed();
  await whole(all);
}, patience);

const h1 = () => all.scene.lab.host("h1");

/** One packet in each network, in vain. */
async function nothingPasses(from: number, to: number): Promise<void> {
  for (const net of nets)
    expect((await ping(all.scene.placeOf(container(net, from)), container(net, to).ip, 1)).received).toBe(0);
  expect(await all.clear()).toEqual([]);
}

/** What happens without h1's charon, under pings all the while; answers since when it is started again. */
async function whileGone(end: () => Promise<unknown>, act: () => Promise<void>): Promise<number> {
  let since = 0;
  const without = async () => {
    await end();
    try {
      await act();
    } finally {
      since = performance.now();
      await all.scene.charon("h1").start();
    }
  };
  await pinging(all, without, 100);
  return since;
}

describe("in clear passes nothing", () => {
  test("while charon is stopped; status says so, and when it is back so are the tunnels", async () => {
    const { scene } = all;
    const since = await whileGone(
      () => scene.charon("h1").stop(),
      async () => {
        await nothingPasses(1, 2);
        await expect
          .poll(async () => (await status(scene, "h1")).charon, { timeout: 60_000 })
          .toMatchObject({ state: "away" });
      },
    );
    await back(all, "the start of a charon that was stopped", since);
    expect(await all.clear()).toEqual([]);
  });

  test("while charon is killed; the next one is told everything anew", async () => {
    const { scene } = all;
    const since = await whileGone(
      () => scene.charon("h1").kill(),
      async () => {
        for (const net of nets) await ping(scene.placeOf(container(net, 1)), container(net, 2).ip, 2);
      },
    );
    await back(all, "the start of a charon that was killed", since);
    expect(await all.clear()).toEqual([]);
  });

  test("while charon hangs: tunnels stay, other rows go on, and nothing of it is lost", async () => {
    const { scene } = all;
    await scene.charon("h1").pause();
    try {
      // At once: a peer whose charon hears nothing of this one for a while gives it up.
      await reaches(all, "blue", 1, 2, 5_000);
      await scene.put("networks/gray", { cidr: "10.43.0.0/16", backend: { type: "vxlan", vni: 9, port: 4790 } });
      await scene.enter({ net: "gray", host: "h1", name: "c", ip: "10.43.1.9" });
      await scene.converged("gray");
      // Who asks for tunnels hears that nobody can tell, and so does the agent.
      expect((await tunnels(scene, "h1")).map(({ state }) => state)).toContain("unknown");
      await expect
        .poll(async () => (await status(scene, "h1")).charon, { timeout: 60_000 })
        .toMatchObject({ state: "away" });
    } finally {
      scene.charon("h1").resume();
    }
    await scene.transact("del keyspaces/gray/containers/h1/c", "del networks/gray");
    await expect
      .poll(async () => (await status(scene, "h1")).charon, { timeout: 60_000 })
      .toMatchObject({ state: "connected" });
    await back(all, "charon went on");
  });

  test.each([
    ["SAs are flushed", ["ip", "xfrm", "state", "flush"]],
    ["policies are flushed", ["ip", "xfrm", "policy", "flush"]],
    ["the firewall is flushed", ["nft", "flush", "ruleset"]],
  ])("when %s; and it comes back by itself", async (what, [program, ...args]) => {
    const since = performance.now();
    await pinging(all, () => h1().output(program!, args));
    await back(all, `${what}`, since);
    expect(await all.clear()).toEqual([]);
  });

  test("for a peer that is not there yet; and once it is, it is reached", async () => {
    const { scene } = all;
    await scene.start("h3");
    for (const net of nets) await scene.enter(container(net, 3));
    for (const net of nets)
      await expect
        .poll(
          async () => (await tunnels(scene, "h1")).find((each) => each.network === net && each.peer === "h3")?.state,
          { timeout: 60_000 },
        )
        .toMatch(/down|connecting/);
    await nothingPasses(1, 3);
    await scene.charon("h3").start();
    for (const net of nets) await reaches(all, net, 1, 3);
    for (const net of nets) await reaches(all, net, 2, 3);
    expect(await all.clear()).toEqual([]);
  });

  test("for a peer that proves itself by another key than its record names; its tunnels say so", async () => {
    const { scene } = all;
    const [key] = await keysOf(scene, "h3");
    const record = (named: unknown) => ({ address: "10.99.0.3", ike: { keys: [named] } });
    await scene.agent("h3").kill(); // it knows better
    const wrong = `${"w".repeat(42)}A=`;
    await scene.put("hosts/h3", record(wrong));
    // What stands by the key that was right goes on until it is ended; the next one is proved by the record.
    await expect.poll(() => keysOf(scene, "h3"), { timeout: 60_000 }).toEqual([wrong]);
    await h1().exec("swanctl", ["--terminate", "--ike", "conn-h3", "--force", "--uri", vici]);
    const said = async () =>
      (await tunnels(scene, "h1"))
        .filter(({ peer }) => peer === "h3")
        .map((each) => [each.state === "up", "why" in each && each.why]);
    await expect
      .poll(said, { timeout: 90_000 })
      .toEqual(nets.map(() => [false, expect.stringMatching(/AUTHENTICATION_FAILED|no trusted|constraint|signature/)]));
    await nothingPasses(1, 3);
    await scene.put("hosts/h3", record(key));
    for (const net of nets) await reaches(all, net, 1, 3);
    expect(await all.clear()).toEqual([]);
  });

  test("without agent, SAs or policies: guard and interface are what is left", async () => {
    const h3 = all.scene.lab.host("h3"); // its agent was killed
    for (const what of ["state", "policy"]) await h3.output("ip", ["xfrm", what, "flush"]);
    await nothingPasses(3, 1);
    await nothingPasses(1, 3);
  });
});

test("a peer that is removed, and whose agent is no more, leaves neither SA nor policy", async () => {
  const { scene } = all;
  await ask(scene.agent("h1").socket, "POST /v1/hosts/remove?host=h3&force=true");
  const left = async () => {
    const [policies, states] = await Promise.all(["policy", "state"].map((what) => h1().output("ip", ["xfrm", what])));
    return [policies, states].map((text) => /10\.99\.0\.3/.test(`${text}`));
  };
  await expect.poll(left, { timeout: 60_000 }).toEqual([false, false]);
  await nothingPasses(1, 3);
  await nothingPasses(3, 1);
  for (const net of nets) await scene.lab.host("h3").removeContainer(`${net}-c`);
});
