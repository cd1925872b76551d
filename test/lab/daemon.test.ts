import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { daemonIn } from "../../src/lab/daemon.ts";
import { place } from "../../src/lab/place.ts";

const here = place(["env"], process.env);
const forever = () => new Promise<never>(() => {});
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-test-"));
});
afterAll(() => rm(directory, { recursive: true }));

function shell(script: string) {
  return daemonIn(here, { title: "the shell", command: ["sh", "-c", script], log: join(directory, "log") });
}

test("a daemon runs until it is ended, and can be started again", async () => {
  const daemon = shell("exec sleep 1000");
  await daemon.start();
  const first = daemon.pid();
  await daemon.start();
  expect(daemon.pid()).toBe(first);

  await daemon.end("SIGKILL");
  expect(daemon.pid()).toBeUndefined();
  await daemon.start();
  expect(daemon.pid()).not.toBe(first);
  await daemon.end("SIGTERM");
});

test("a stopped daemon can be ended in good order", async () => {
  const daemon = shell("exec sleep 1000");
  await daemon.start();
  await daemon.pause();
  await daemon.end("SIGTERM");
  expect(daemon.pid()).toBeUndefined();
});

test("waiting for a daemon that ends fails with its last words", async () => {
  const daemon = shell("echo no luck >&2; exit 3");
  await daemon.start();
  await expect(daemon.whileRunning(forever)).rejects.toThrow(/the shell.*status 3.*\nno luck/);
  await expect(daemon.whileRunning(forever)).rejects.toMatchObject({ code: "DAEMON_ENDED" });
});

test("what waits for a daemon is told when that has ended", async () => {
  const daemon = shell("exec sleep 1000");
  await daemon.start();
  const waiting = daemon.whileRunning(
    (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  await daemon.end("SIGKILL");
  await expect(waiting).rejects.toThrow("SIGKILL");
});
