import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ask, listed, streams } from "../../src/ike/vici/commands.ts";
import { openConnection, type ViciConnection } from "../../src/ike/vici/connection.ts";
import { list, section, sectionsOf, text } from "../../src/ike/vici/message.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { type Charon, charonOn } from "./charon.ts";
import { newKey } from "./pair.ts";

let lab: Lab;
let charon: Charon;
let vici: ViciConnection;

beforeAll(async () => {
  lab = await createLab({ hosts: 1 });
  charon = await charonOn(lab, lab.host("h1"));
});
afterAll(() => lab.close());
beforeEach(async () => {
  await charon.start();
  vici = await openConnection(charon.socket);
  return () => vici.close();
});

const conn = (remote: string, more = {}) => ({ version: "2", remote_addrs: [remote], ...more });

test("charon says what it is, and what it can", async () => {
  expect(await ask(vici, "version", {})).toMatchObject({
    daemon: "charon-systemd",
    version: expect.stringMatching(/^[56]\./),
  });
  expect(list(await ask(vici, "stats", {}), "plugins")).toContain("vici");
  expect(section(await ask(vici, "get-algorithms", {}), "encryption")).toHaveProperty("AES_CBC");
});

test("a command or an event that charon does not have is an error of its own, and the next call works", async () => {
  await expect(vici.request("dance")).rejects.toMatchObject({
    code: "UNKNOWN_COMMAND",
    message: expect.stringMatching(/^Cannot dance:/),
  });
  await expect(vici.register("dance", () => {})).rejects.toMatchObject({ code: "UNKNOWN_EVENT" });
  await expect(vici.unregister("dance")).rejects.toMatchObject({ code: "UNKNOWN_EVENT" });
  await ask(vici, "version", {});
});

test("charon's own words are in what it refuses", async () => {
  await expect(ask(vici, "load-key", { type: "any", data: "no key" })).rejects.toThrow(
    "Cannot load-key: charon says: parsing ANY private key failed",
  );
  await expect(ask(vici, "initiate", { child: "none" })).rejects.toThrow("CHILD_SA config 'none' not found");
  await expect(ask(vici, "load-conn", { "conn-x": { local_addrs: "10.0.0.1" } })).rejects.toThrow(
    "unknown option: local_addrs",
  );
});

test("all that is streamed is heard, in its order, beside other calls", async () => {
  const names = Array.from({ length: 300 }, (_, n) => `conn-${n}`);
  await Promise.all(names.map((name) => ask(vici, "load-conn", { [name]: conn("10.99.0.9") })));
  const [conns, version, again] = await Promise.all([
    listed(vici, "list-conns"),
    ask(vici, "version", {}),
    listed(vici, "list-conns", { ike: "conn-7" }),
  ]);
  expect(conns.flatMap((event) => Object.keys(event)).toSorted()).toEqual(names.toSorted());
  expect(version.daemon).toBe("charon-systemd");
  expect(again.flatMap((event) => Object.keys(event))).toEqual(["conn-7"]);
  expect(list(await ask(vici, "get-conns", {}), "conns")).toHaveLength(300);
  for (const command of Object.keys(streams) as (keyof typeof streams)[]) await listed(vici, command);
  for (const name of names) await ask(vici, "unload-conn", { name });
});

test("octets pass as they are: a key in DER, and a text of the longest length", async () => {
  const key = newKey().export({ type: "pkcs8", format: "der" });
  const id = text(await ask(vici, "load-key", { type: "any", data: key }), "id")!;
  expect(id).toMatch(/^[0-9a-f]{40}$/);
  expect(list(await ask(vici, "get-keys", {}), "keys")).toEqual([id]);
  await ask(vici, "unload-key", { id });
  const children = { long: { interface: "x".repeat(65_000) } };
  await ask(vici, "load-conn", { "conn-long": conn("10.99.0.9", { children }) });
  const [[, found]] = sectionsOf((await listed(vici, "list-conns"))[0]!) as [[string, Parameters<typeof section>[0]]];
  expect(text(section(section(found, "children"), "long"), "interface")).toHaveLength(65_000);
  await ask(vici, "unload-conn", { name: "conn-long" });
});

test("events come while a call is under way", async () => {
  const lines: string[] = [];
  await vici.register("log", (message) => void lines.push(text(message, "msg") ?? ""));
  await ask(vici, "load-conn", { "conn-x": conn("10.99.0.9") });
  await expect.poll(() => lines).toContain("added vici connection: conn-x");
  await vici.unregister("log");
  await ask(vici, "unload-conn", { name: "conn-x" });
});

test("a charon that is killed in the middle of a call fails it", async () => {
  await ask(vici, "load-conn", { "conn-x": conn("10.99.0.9", { children: { x: {} } }) });
  // Waits for a peer that is not there.
  const call = ask(vici, "initiate", { ike: "conn-x", child: "x", loglevel: "-1" }, { timeoutMs: 20_000 });
  const failed = expect(call).rejects.toMatchObject({ code: "AWAY" });
  await ask(await openConnection(charon.socket), "version", {});
  await charon.end("SIGKILL");
  await failed;
  expect(vici.ended).toMatchObject({ code: "AWAY" });
  await expect(openConnection(charon.socket)).rejects.toMatchObject({
    code: "AWAY",
    message: expect.stringMatching(/ECONNREFUSED/),
  });
});

test("a charon that is stopped fails a call in its time, and answers a new connection when it goes on", async () => {
  await charon.pause();
  await expect(ask(vici, "version", {}, { timeoutMs: 100 })).rejects.toMatchObject({ code: "SILENT" });
  // It is the kernel that takes the connection.
  const next = await openConnection(charon.socket);
  await expect(ask(next, "version", {}, { timeoutMs: 100 })).rejects.toMatchObject({ code: "SILENT" });
  charon.signal("SIGCONT");
  const third = await openConnection(charon.socket);
  await ask(third, "version", {});
  third.close();
});
