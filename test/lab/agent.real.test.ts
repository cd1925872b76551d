import { afterAll, beforeAll, expect, test } from "vitest";
import { createLab, type Lab } from "../../src/lab/lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ hosts: 1 });
});
afterAll(() => lab.close());

test("an agent answers on its host, as the host, until it is killed, and again when it is started", async () => {
  const host = lab.host("h1");
  const agent = await host.agent();
  await agent.start();
  await agent.ready();
  const status = async () => JSON.parse(await host.output("skein", ["status", "--json"]));
  expect(await status()).toMatchObject({
    host: "h1",
    ready: true,
    pid: agent.pid(),
    underlay: { address: "10.99.0.1" },
  });

  const killed = agent.pid();
  await agent.kill();
  expect(agent.pid()).toBeUndefined();
  expect(await host.exec("skein", ["status"])).toMatchObject({ code: 3 });
  await agent.start();
  await agent.ready();
  expect(await status()).toMatchObject({ ready: true, pid: agent.pid() });
  expect(agent.pid()).not.toBe(killed);

  await agent.stop();
  await expect(agent.ready()).rejects.toMatchObject({ code: "DAEMON_ENDED" });
});

test("an agent that cannot start says why", async () => {
  const agent = await lab.host("h1").agent(["--uplinks", "nowhere"]);
  await agent.start();
  await expect(agent.ready()).rejects.toThrow(/the agent of h1[\s\S]*nowhere/);
  expect(await agent.log()).toContain("nowhere");
});

test("an agent whose start fails half way ends, with what it had opened", async () => {
  const agent = await lab.host("h1").agent(["--underlay", "nowhere0"]);
  await agent.start();
  await expect(agent.ready()).rejects.toMatchObject({ code: "DAEMON_ENDED" });
  expect(await agent.log()).toContain("Cannot use underlay nowhere0: expected a device or one of its IPv4 addresses");
});
