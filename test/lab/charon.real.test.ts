import { afterAll, beforeAll, expect, test } from "vitest";
import { createLab, type Lab } from "../../src/lab/lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ hosts: 2 });
});
afterAll(() => lab.close());

const socket = "unix:///run/skein/charon.vici";
/** What charon says of itself, on its host and by its own socket; each host has one. */
const stats = async (host: string) => lab.host(host).output("swanctl", ["--stats", "--uri", socket]);

test("charon answers on its host by the installed configuration, until it is killed, and again when it is started", async () => {
  const charons = await Promise.all(lab.hosts.map((host) => host.charon()));
  await Promise.all(charons.map((charon) => charon.start()));
  for (const { name } of lab.hosts) expect(await stats(name)).toContain("worker threads: 32 total");
  const [charon] = charons;
  expect(await charon!.log()).toMatch(/loaded plugins: charon-systemd .*kernel-netlink socket-default vici$/m);

  const killed = charon!.pid();
  await charon!.kill();
  expect(charon!.pid()).toBeUndefined();
  expect(await lab.host("h1").exec("swanctl", ["--stats", "--uri", socket])).not.toMatchObject({ code: 0 });
  expect(await stats("h2")).toContain("uptime");
  await charon!.start();
  expect(charon!.pid()).not.toBe(killed);
  expect(await stats("h1")).toContain("uptime");

  await charon!.stop();
  expect(await charon!.log()).toContain("SIGTERM received");
  for (const other of charons) await other.stop();
});

test("settings of a test come after those that are installed", async () => {
  const charon = await lab.host("h1").charon({ settings: ["threads = 17", "plugins {", "  vici {", "  }", "}"] });
  await charon.start();
  expect(await stats("h1")).toContain("worker threads: 17 total");
  await charon.stop();
});

test("charon that cannot start says why", async () => {
  const charon = await lab.host("h1").charon({ settings: ["load = nothing"] });
  await charon.start().then(
    () => expect.unreachable("expected charon to end"),
    (error) =>
      expect(error.message).toMatch(/charon of h1: expected it to run, got status \d+; its log ends:[\s\S]*nothing/),
  );
});
