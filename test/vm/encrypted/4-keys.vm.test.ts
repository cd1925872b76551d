import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ask } from "../../../src/cli/client.ts";
import type { KeyRotateAnswer } from "../../../src/observe/answers.ts";
import { keysOf, nets, patience, pinging, type Sealed, sealed, spis, whole } from "./sealed.ts";

/** What hosts prove themselves by. */
let all: Sealed;
beforeAll(async () => {
  all = await sealed();
  await whole(all);
}, patience);

test("a host's key is replaced by another, by either side, and no packet is lost", async () => {
  const { scene } = all;
  const lost = await pinging(all, async () => {
    for (const host of ["h2", "h1"]) await replaceKey(host);
  });
  expect(lost).toEqual({ blue: 0, red: 0 });
  for (const net of nets) await scene.converged(net);
  await whole(all);
  // The new key is what it proves itself by from now on.
  await scene.charon("h2").stop();
  await scene.charon("h2").start();
  await whole(all);
  expect(await all.clear()).toEqual([]);
});

async function replaceKey(host: string): Promise<void> {
  const { scene } = all;
  const { socket } = scene.agent(host);
  const [old] = await keysOf(scene, host);
  const before = await spis(all);
  await expect
    .poll(async () => (await ask<KeyRotateAnswer>(socket, "POST /v1/keys/rotate")).state, { timeout: 60_000 })
    .toBe("done");
  await expect.poll(async () => (await keysOf(scene, host)).includes(`${old}`), { timeout: 60_000 }).toBe(false);
  await expect.poll(async () => (await spis(all)).some((spi) => before.includes(spi)), { timeout: 60_000 }).toBe(false);
}

test("no secret is in etcd", async () => {
  const { etcd, directory, hosts } = all.scene.lab;
  const files = await readdir(directory, { recursive: true });
  const keys = files.filter((file) => file.endsWith(".pem"));
  const texts = await Promise.all(keys.map((file) => readFile(join(directory, file), "utf8")));
  const secrets = texts.flatMap((pem) => pem.split("\n").filter((line) => /^[\w+/=]+$/.test(line)));
  expect(secrets.length).toBeGreaterThanOrEqual(hosts.length);
  const everything = await etcd.ctl(["get", "", "--prefix"]);
  expect(everything).toContain("ike");
  for (const secret of secrets) expect(everything).not.toContain(secret);
});
