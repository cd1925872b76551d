import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMPTY, firstValueFrom } from "rxjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mark, type RowOf } from "../../src/desired/rows.ts";
import { resolverDriver } from "../../src/kernel/resolvers.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "skein-resolvers-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = () => resolverDriver({ events$: EMPTY }, directory);
const text = (search: string) => `${mark.resolver}\nnameserver 169.254.169.250\nsearch ${search}\n`;
const file = (name: string) => join(directory, name, "resolv.conf");

function row(name: string, search = "rancher.internal"): RowOf<"resolver"> {
  return { kind: "resolver", scope: "host", key: file(name), value: { text: text(search) }, because: [] };
}

function write(name: string, content: string): void {
  mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(file(name), content);
}

test("a file is written for everybody to read, whatever the umask, listed, and taken away with its directory", async () => {
  const driver = open();
  const before = process.umask(0o077);
  try {
    expect(await driver.apply("host", [{ verb: "add", row: row("mongo") }])).toEqual([undefined]);
  } finally {
    process.umask(before);
  }
  expect(readFileSync(file("mongo"), "utf8")).toBe(text("rancher.internal"));
  expect(statSync(file("mongo")).mode & 0o777).toBe(0o644);
  const { because: _, ...found } = row("mongo");
  // By one that never wrote it, too: an agent that starts adopts what the last one left.
  for (const each of [driver, open()]) expect(await each.list("host")).toEqual([found]);
  expect(await driver.list("net:blue")).toEqual([]);
  await driver.apply("host", [{ verb: "remove", row: found }]);
  expect(statSync(join(directory, "mongo"), { throwIfNoEntry: false })).toBeUndefined();
});

test("somebody else's file is neither overwritten nor removed, and fulfils every wish", async () => {
  write("mongo", "nameserver 192.0.2.1\n");
  const driver = open();
  expect(await driver.list("host")).toEqual([]);
  expect(await driver.apply("host", [{ verb: "add", row: row("mongo") }])).toEqual([undefined]);
  const [found] = await driver.list("host");
  expect(found).toMatchObject({ key: file("mongo"), value: { foreign: true } });
  expect(driver.same?.(row("mongo").value, found?.value as RowOf<"resolver">["value"])).toBe(true);
  await driver.apply("host", [{ verb: "remove", row: row("mongo") }]);
  expect(readFileSync(file("mongo"), "utf8")).toBe("nameserver 192.0.2.1\n");
});

test("what else is kept for the namespace stays", async () => {
  write("mongo", text("x"));
  writeFileSync(join(directory, "mongo", "hosts"), "");
  await open().apply("host", [{ verb: "remove", row: row("mongo") }]);
  expect(statSync(join(directory, "mongo", "hosts")).isFile()).toBe(true);
  expect(statSync(file("mongo"), { throwIfNoEntry: false })).toBeUndefined();
});

test("a file that cannot be written is a failure that is tried again", async () => {
  writeFileSync(join(directory, "mongo"), "no directory");
  const [failure] = await open().apply("host", [{ verb: "add", row: row("mongo") }]);
  expect(failure).toMatchObject({ next: "retry", message: expect.stringContaining(file("mongo")) });
});

test("a change by somebody else is told, and so is the end", async () => {
  const driver = resolverDriver({ events$: new (await import("rxjs")).Subject() }, directory);
  await driver.apply("host", [{ verb: "add", row: row("mongo") }]);
  writeFileSync(file("mongo"), "nameserver 192.0.2.1\n");
  expect(await firstValueFrom(driver.notices$)).toMatchObject({ type: "present", row: { value: { foreign: true } } });
  rmSync(file("mongo"));
  expect(await firstValueFrom(driver.notices$)).toMatchObject({ type: "absent", key: file("mongo") });
});
