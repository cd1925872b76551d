import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLab } from "../../src/lab/lab.ts";
import { markVariable } from "../../src/lab/mark.ts";
import { stateFile } from "../../src/lab/state.ts";
import { gone, processesWith } from "./leftovers.ts";

interface Owned {
  owner: ChildProcess;
  name: string;
  directory: string;
}

/** A process that owns a lab, and what it says of it. */
async function startOwner(): Promise<Owned> {
  const owner = spawn(process.execPath, [join(import.meta.dirname, "owner.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(owner.stdout, "data");
  return { owner, ...JSON.parse(String(line)) };
}

async function kill(owner: ChildProcess): Promise<void> {
  const exit = once(owner, "exit");
  owner.kill("SIGKILL");
  await exit;
}

async function directoriesOf(name: string): Promise<string[]> {
  return (await readdir(tmpdir())).filter((entry) => entry.startsWith(`skein-lab-${name}-`));
}

const marked = (name: string) => processesWith("environ", `${markVariable}=${name}`);

test("close leaves no process, no file and no namespace", async () => {
  const lab = await createLab({ hosts: 1 });
  await lab.host("h1").container("web");
  expect(await marked(lab.name)).not.toEqual([]);

  await lab.close();
  expect(await marked(lab.name)).toEqual([]);
  expect(existsSync(lab.directory)).toBe(false);
  expect(existsSync(stateFile(lab.name))).toBe(false);
});

test("a lab whose owner is killed is gone a moment later", async () => {
  const { owner, name, directory } = await startOwner();
  // Two holders, the wire, etcd, the web server, and in host and container a shell with two sleeps each.
  expect((await marked(name)).length).toBeGreaterThanOrEqual(11);

  await kill(owner);
  await gone(stateFile(name));
  expect(await marked(name)).toEqual([]);
  expect(existsSync(directory)).toBe(false);
});

test("a lab whose owner and broom are killed is gone when the next is made", async () => {
  const { owner, name, directory } = await startOwner();
  for (const pid of await processesWith("cmdline", `broom\0${markVariable}=${name}`)) process.kill(pid, "SIGKILL");
  await kill(owner);
  expect(await marked(name)).not.toEqual([]);

  const next = await createLab({ hosts: 1 });
  expect(await marked(name)).toEqual([]);
  expect(existsSync(directory)).toBe(false);
  await next.close();
});

test("a name that is taken leaves the lab that has it alone, and nothing else", async () => {
  const lab = await createLab({ hosts: 1 });
  await expect(createLab({ hosts: 1, name: lab.name })).rejects.toMatchObject({ code: "NAME_TAKEN" });
  expect(await lab.host("h1").exec("true")).toMatchObject({ code: 0 });
  await lab.close();
  expect(await directoriesOf(lab.name)).toEqual([]);
});

test("a lab that cannot be built leaves nothing", async () => {
  const name = `unlucky-${process.pid}`;
  const path = process.env.PATH;
  const bin = await mkdtemp(join(tmpdir(), "skein-test-"));
  await symlink("/bin/false", join(bin, "etcd"));
  process.env.PATH = `${bin}:${path}`;
  try {
    await expect(createLab({ hosts: 3, name })).rejects.toMatchObject({ code: "DAEMON_ENDED" });
  } finally {
    process.env.PATH = path;
    await rm(bin, { recursive: true });
  }
  expect(await marked(name)).toEqual([]);
  expect(await directoriesOf(name)).toEqual([]);
  expect(existsSync(stateFile(name))).toBe(false);
});

test("a name that is no file name is refused", async () => {
  await expect(createLab({ hosts: 1, name: "../x" })).rejects.toMatchObject({ code: "BAD_NAME" });
});
