import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { filter, firstValueFrom } from "rxjs";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { namespaceDriver } from "../../src/kernel/namespaces.ts";
import { openKernel } from "../../src/kernel/open.ts";
import type { Driver, Notice, Operation } from "../../src/reconcile/kind.ts";
import { freshName } from "./fresh-namespace.ts";

let kernel: Kernel;
let driver: Driver<"namespace">;
beforeAll(async () => {
  kernel = await openKernel();
  driver = namespaceDriver(kernel);
});
afterAll(() => kernel.close());

test("a namespace is made once, with lo up, where ip netns finds it, and listed", async () => {
  const { name, key } = unused();
  expect(await driver.apply("host", [add(name)])).toEqual([undefined]);
  execFileSync("ip", ["netns", "exec", name, "ip", "link", "add", "ours", "type", "bridge"]);
  expect(await driver.apply("host", [add(name)])).toEqual([undefined]);

  const links = JSON.parse(execFileSync("ip", ["-n", name, "-json", "link"], { encoding: "utf8" }));
  expect(links.map(({ ifname, flags }: { ifname: string; flags: string[] }) => [ifname, flags.includes("UP")])).toEqual(
    [
      ["lo", true],
      ["ours", false],
    ],
  );
  expect(await driver.list("host")).toContainEqual({ kind: "namespace", scope: "host", key, value: {} });
  expect(await driver.list(`net:${name}`)).toEqual([]);
});

test("a removed namespace is gone, though it was in use, and stays so", async () => {
  const { name, scope } = unused();
  await driver.apply("host", [add(name)]);
  // Makes the Worker hold descriptors and sockets inside.
  await kernel.nft(scope, "add table inet skein");
  const inode = execFileSync("stat", ["-Lc", "%i", `/run/netns/${name}`], { encoding: "utf8" }).trim();
  expect(heldBy(process.pid, inode)).not.toEqual([]);
  expect(await driver.apply("host", [remove(name)])).toEqual([undefined]);

  expect(existsSync(`/run/netns/${name}`)).toBe(false);
  expect(heldBy(process.pid, inode)).toEqual([]);
  expect((await driver.list("host")).map(({ key }) => key)).not.toContain(name);
  expect(await driver.apply("host", [remove(name)])).toEqual([undefined]);
});

test("a leftover file that is no namespace is not listed, and is made one", async () => {
  const { name } = unused();
  const other = unused();
  await driver.apply("host", [add(other.name)]);
  writeFileSync(`/run/netns/${name}`, "");
  expect((await driver.list("host")).map(({ key }) => key)).not.toContain(name);
  expect(await driver.apply("host", [add(name)])).toEqual([undefined]);
  expect((await driver.list("host")).map(({ key }) => key)).toContain(name);
  execFileSync("ip", ["netns", "exec", name, "true"]);
});

test("namespaces of others are not ours", async () => {
  const theirs = freshName().replace("skein-", "other-");
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", theirs]));
  execFileSync("ip", ["netns", "add", theirs]);
  expect((await driver.list("host")).map(({ key }) => key)).not.toContain(theirs);
});

test("a namespace deleted by somebody else is told, and what was inside is to be listed", async () => {
  const { name, scope } = unused();
  await driver.apply("host", [add(name)]);
  await kernel.nft(scope, "add table inet skein");
  const [absent, relist] = [next("absent"), next("relist")];
  execFileSync("ip", ["netns", "delete", name]);
  expect(await absent).toEqual({ type: "absent", kind: "namespace", scope: "host", key: name });
  expect(await relist).toMatchObject({ scope, kinds: expect.arrayContaining(["link", "sysctl", "guard", "route"]) });
});

test("a container's namespace that appears wakes what waits for it", async () => {
  const name = freshName().replace("skein-", "container-");
  const scope = `at:/run/netns/${name}` as const;
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  expect(await kernel.readSysctls(scope, ["net.ipv4.ip_forward"])).toMatchObject({
    failure: { code: "NETNS_MISSING" },
  });
  const relist = next("relist");
  execFileSync("ip", ["netns", "add", name]);
  expect(await relist).toMatchObject({ scope, kinds: expect.arrayContaining(["link", "address", "route", "sysctl"]) });
  expect(await kernel.readSysctls(scope, ["net.ipv4.ip_forward"])).toMatchObject({ ok: true });
});

test("a network's name may take all of a name's 63 characters", async () => {
  const { name, key, scope } = unused(freshName().padEnd("skein-".length + 63, "n"));
  expect(await driver.apply("host", [add(name)])).toEqual([undefined]);
  expect(await driver.list("host")).toContainEqual({ kind: "namespace", scope: "host", key, value: {} });
  expect(await kernel.readSysctls(scope, ["net.ipv4.ip_forward"])).toMatchObject({ ok: true });
  expect(await driver.apply("host", [remove(name)])).toEqual([undefined]);
  expect(existsSync(`/run/netns/${name}`)).toBe(false);
});

function unused(name = freshName()) {
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  onTestFinished(() => void spawnSync("rm", ["-f", `/run/netns/${name}`]));
  return { name, key: name, scope: `net:${name.slice("skein-".length)}` as const };
}

function add(key: string): Operation<"namespace"> {
  return { verb: "add", row: { kind: "namespace", scope: "host", key, value: {}, because: [] } };
}

function remove(key: string): Operation<"namespace"> {
  return { verb: "remove", row: { kind: "namespace", scope: "host", key, value: {} } };
}

function next(type: Notice["type"]): Promise<Notice> {
  return firstValueFrom(driver.notices$.pipe(filter((notice) => notice.type === type)));
}

/** Descriptors of a process that name the namespace with the inode. */
function heldBy(pid: number, inode: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", `ls -lL -i /proc/${pid}/fd 2>/dev/null`], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line.trim().startsWith(`${inode} `));
}
