import { filter, firstValueFrom, map, mergeMap } from "rxjs";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { RowOf, Scope } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { sysctlDriver } from "../../src/kernel/sysctls.ts";
import { freshNamespace } from "./fresh-namespace.ts";

const forward = "net.ipv4.ip_forward";
const redirects = "net.ipv4.conf.all.send_redirects";
const proxyArp = "net.ipv4.conf.br0.proxy_arp";
const nonsense = "net.bridge.no-such-thing";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel.close());

test("a setting is written in its own namespace, and read back", async () => {
  const [here, there] = [await fresh(), await fresh()];
  expect(await here.add([forward, "1"], [redirects, "0"])).toEqual([undefined, undefined]);
  expect(here.run("sysctl", "-n", forward, redirects)).toBe("1\n0\n");
  expect(there.run("sysctl", "-n", forward)).toBe("0\n");
  expect(await here.driver.read(here.scope, [forward])).toMatchObject([{ key: forward, value: { value: "1" } }]);
});

test("what is right already is not written", async () => {
  const { add, scope, run } = await fresh();
  run("sysctl", "-w", `${forward}=1`);
  const writes: unknown[] = [];
  const { read, ...rest } = sysctlDriver({
    ...kernel,
    writeSysctls: (...args) => {
      writes.push(args);
      return kernel.writeSysctls(...args);
    },
  });
  expect(await rest.apply(scope, [{ verb: "add", row: rowOf(scope, forward, "1") }])).toEqual([undefined]);
  expect(writes).toEqual([]);
  expect(await add([forward, "1"])).toEqual([undefined]);
});

test("numbers with tabs between them are those with blanks", async () => {
  const { driver, add, scope } = await fresh();
  const name = "net.ipv4.ip_local_port_range";
  expect(await add([name, "40000 50000"])).toEqual([undefined]);
  const [found] = await driver.read(scope, [name]);
  expect(found?.value.value).toBe("40000\t50000");
  expect(driver.same?.({ value: "40000 50000" }, found!.value)).toBe(true);
});

test("a name the kernel does not have contents an optional wish only", async () => {
  const { driver, scope } = await fresh();
  const [found] = await driver.read(scope, [nonsense]);
  expect(driver.same?.({ value: "0", optional: true }, found!.value)).toBe(true);
  expect(driver.same?.({ value: "0" }, found!.value)).toBe(false);
  expect(driver.same?.({ value: "1", optional: true }, { value: "0", optional: true })).toBe(false);
  const optional = { ...rowOf(scope, nonsense, "0"), value: { value: "0", optional: true as const } };
  const results = await driver.apply(scope, [
    { verb: "add", row: optional },
    { verb: "add", row: rowOf(scope, `${nonsense}2`, "0") },
    { verb: "add", row: rowOf(scope, forward, "1") },
  ]);
  expect(results).toMatchObject([undefined, { code: "ENOENT", next: "wait" }, undefined]);
});

test("a setting waits for its interface, whose coming is told", async () => {
  const { driver, add, found, run } = await fresh();
  expect(await add([proxyArp, "1"])).toMatchObject([{ code: "ENOENT", next: "wait" }]);
  const came = found(proxyArp);
  run("ip", "link", "add", "br0", "type", "bridge");
  expect(await came).toEqual({ value: "0" });
  expect(await add([proxyArp, "1"])).toEqual([undefined]);
  const went = found(proxyArp);
  run("ip", "link", "delete", "br0");
  expect(driver.same?.({ value: "1" }, await went)).toBe(false);
});

test("what the kernel tells of is not waited for", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { add, found, run } = await fresh();
  await add([forward, "1"]);
  const notice = found(forward);
  run("sysctl", "-qw", `${forward}=0`);
  expect(await notice).toEqual({ value: "0" });
});

test("what somebody else sets is told, by the kernel or by looking", async () => {
  const { add, found, run } = await fresh();
  await add([forward, "1"], [redirects, "0"]);
  for (const [name, value] of [
    [forward, "0"],
    // No notification exists for this one.
    [redirects, "1"],
  ] as const) {
    const notice = found(name);
    run("sysctl", "-qw", `${name}=${value}`);
    expect(await notice).toEqual({ value });
  }
});

test("a removed row leaves its value and is watched no more", async () => {
  const { driver, add, found, scope, run } = await fresh();
  await add([forward, "1"], [redirects, "0"]);
  const { kind, key, value } = rowOf(scope, forward, "1");
  expect(await driver.apply(scope, [{ verb: "remove", row: { kind, scope, key, value } }])).toEqual([undefined]);
  expect(run("sysctl", "-n", forward)).toBe("1\n");

  const told: string[] = [];
  driver.notices$.subscribe((notice) => notice.type === "present" && told.push(notice.row.key));
  const notice = found(redirects);
  run("sysctl", "-qw", `${forward}=0`, `${redirects}=1`);
  await notice;
  expect(told).toEqual([redirects]);
});

test("a scope that does not exist has no settings", async () => {
  const { driver } = await fresh();
  expect(await driver.read("net:nowhere", [forward])).toEqual([]);
  const results = await driver.apply("net:nowhere", [{ verb: "add", row: rowOf("net:nowhere", forward, "1") }]);
  expect(results).toMatchObject([{ code: "NETNS_MISSING", next: "wait" }]);
});

async function fresh() {
  const namespace = await freshNamespace(kernel);
  const { scope } = namespace;
  const driver = sysctlDriver(kernel);
  const add = (...wishes: (readonly [name: string, value: string])[]) =>
    driver.apply(
      scope,
      wishes.map(([name, value]) => ({ verb: "add", row: rowOf(scope, name, value) })),
    );
  /** The next value told of a name. */
  const found = (name: string) =>
    firstValueFrom(
      driver.notices$.pipe(
        mergeMap((notice) => (notice.type === "present" && notice.row.kind === "sysctl" ? [notice.row] : [])),
        filter(({ key }) => key === name),
        map(({ value }) => value as { value: string }),
      ),
    );
  return { ...namespace, driver, add, found };
}

function rowOf(scope: Scope, key: string, value: string): RowOf<"sysctl"> {
  return { kind: "sysctl", scope, key, value: { value }, because: [] };
}
