import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openConnection } from "../../src/ike/vici/connection.ts";
import type { ViciError } from "../../src/ike/vici/error.ts";
import { keepLink, type ViciLink } from "../../src/ike/vici/link.ts";
import { decodePacket, encodePacket, type Packet } from "../../src/ike/vici/packet.ts";
import { Segments } from "../../src/ike/vici/segments.ts";

let directory: string;
let path: string;
let server: Server;
let sockets: Set<Socket>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-vici-"));
  path = join(directory, "vici");
  sockets = new Set();
});
afterEach(async () => {
  stop();
  await rm(directory, { recursive: true });
});

/** A charon that answers as told. */
async function serve(answer: (packet: Packet, socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    const segments = new Segments();
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const segment of segments.push(chunk as Buffer)) answer(decodePacket(segment), socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

function stop(): void {
  server?.close();
  for (const socket of sockets) socket.destroy();
}

/** What a charon without anything special to it says. */
function politely(packet: Packet, socket: Socket): void {
  if (packet.type === "register" || packet.type === "unregister") socket.write(encodePacket({ type: "confirmed" }));
  if (packet.type === "command") socket.write(encodePacket({ type: "response", message: { is: packet.name } }));
}

const garbage: [string, Uint8Array][] = [
  ["text of another protocol", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["a segment of no length", Buffer.alloc(4)],
  ["a segment of 4 GB", Buffer.from("ffffffff", "hex")],
  ["a packet of no type", Buffer.from("000000012a", "hex")],
  ["a message that is none", Buffer.from("000000020109", "hex")],
  [
    "an answer that nobody asked for",
    Buffer.concat([encodePacket({ type: "confirmed" }), encodePacket({ type: "confirmed" })]),
  ],
  ["an answer to another question", encodePacket({ type: "confirmed" })],
];

test.each(garbage)("%s fails the call and those behind it, and is said", async (_, bytes) => {
  await serve((_packet, socket) => socket.write(bytes));
  const connection = await openConnection(path);
  const calls = await Promise.allSettled([connection.request("version"), connection.request("stats")]);
  for (const call of calls) expect(call).toMatchObject({ status: "rejected", reason: { name: "ViciError" } });
  const { reason } = calls[0] as PromiseRejectedResult;
  expect(reason).toMatchObject({
    code: "MALFORMED",
    message: expect.stringMatching(/^Cannot .+: expected .+, got .+/),
  });
});

test("a half of an answer, and then the end", async () => {
  await serve((_packet, socket) => socket.end(encodePacket({ type: "response", message: { a: "b" } }).subarray(0, 6)));
  const connection = await openConnection(path);
  await expect(connection.request("version")).rejects.toMatchObject({ code: "AWAY" });
  await expect(connection.request("version")).rejects.toMatchObject({ code: "AWAY" });
});

test("an answer that does not come ends the connection, and all calls with it", async () => {
  await serve(() => {});
  const connection = await openConnection(path);
  const calls = [connection.request("version", {}, { timeoutMs: 50 }), connection.request("stats")];
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: "SILENT" });
  await expect(calls[0]).rejects.toThrow("Cannot version: expected an answer of charon within 50 ms, got none");
});

test("a stream may take longer than an answer, as long as it goes on", async () => {
  await serve((packet, socket) => {
    if (packet.type !== "command") return politely(packet, socket);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(encodePacket({ type: "event", name: "list-sa", message: { n: `${sent}` } }));
      if (++sent < 5) return;
      clearInterval(timer);
      politely(packet, socket);
    }, 40);
  });
  const connection = await openConnection(path);
  const seen: unknown[] = [];
  const stream = { event: "list-sa", each: (message: unknown) => void seen.push(message) };
  await connection.request("list-sas", {}, { timeoutMs: 100, stream });
  expect(seen).toHaveLength(5);
  connection.close();
});

test("two streams of one event do not mix", async () => {
  let commands = 0;
  await serve((packet, socket) => {
    if (packet.type === "command")
      socket.write(encodePacket({ type: "event", name: "list-sa", message: { of: `${commands++}` } }));
    politely(packet, socket);
  });
  const connection = await openConnection(path);
  const lists = await Promise.all(
    [0, 1].map(async () => {
      const seen: unknown[] = [];
      await connection.request(
        "list-sas",
        {},
        { stream: { event: "list-sa", each: (message) => void seen.push({ ...message }) } },
      );
      return seen;
    }),
  );
  expect(lists).toEqual([[{ of: "0" }], [{ of: "1" }]]);
  connection.close();
});

test("a socket that is not there says so", async () => {
  await expect(openConnection(path)).rejects.toMatchObject({
    code: "AWAY",
    message: `Cannot connect to ${path}: expected charon, got ENOENT`,
  });
});

test("a link comes back by itself, and says once why it was away", async () => {
  const said: string[] = [];
  let opened = 0;
  const wake = new Set<() => void>();
  const until = (is: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!is()) return;
        wake.delete(look);
        resolve();
      };
      wake.add(look);
      look();
    });
  const tell = () => {
    for (const each of wake) each();
  };
  const link: ViciLink = keepLink({
    path,
    events: ["log"],
    hear: () => {},
    backoffMs: { first: 10, most: 20 },
    timeoutMs: 200,
    opened: async () => {
      opened++;
      tell();
    },
    lost: (why: ViciError) => {
      said.push(why.code);
      tell();
    },
  });
  await until(() => said.length === 1);
  expect(() => link.commands()).toThrow("expected charon, got ENOENT");
  await serve(politely);
  await until(() => opened === 1);
  expect(await link.commands().request("stats")).toMatchObject({ is: "stats" });
  stop();
  await until(() => said.length >= 2);
  await serve(politely);
  await until(() => opened === 2);
  expect(said.slice(0, 2)).toEqual(["AWAY", "AWAY"]);
  link.stop();
  expect(() => link.long()).toThrow("got stopped");
});

test("once charon has not answered, calls fail at once until it has", async () => {
  let isSilent = false;
  await serve((packet, socket) => {
    if (!isSilent) politely(packet, socket);
  });
  const news: (() => void)[] = [];
  const next = () => new Promise<void>((resolve) => news.push(resolve));
  const tell = () => {
    for (const each of news.splice(0)) each();
  };
  const link = keepLink({
    path,
    events: [],
    hear: () => {},
    backoffMs: { first: 10, most: 20 },
    timeoutMs: 50,
    opened: async () => tell(),
    lost: tell,
  });
  await next();
  isSilent = true;
  const lost = next();
  await expect(link.commands().request("version", {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: "SILENT" });
  await lost;
  expect(() => link.commands()).toThrow(expect.objectContaining({ code: "SILENT" }));
  isSilent = false;
  await next();
  await link.commands().request("version");
  link.stop();
});

test("a long call without an answer holds up neither short calls nor events", async () => {
  // Like charon: who waits for an answer on a connection hears nothing else there.
  const busy = new Set<Socket>();
  const listeners = new Set<Socket>();
  await serve((packet, socket) => {
    if (busy.has(socket)) return;
    if (packet.type === "command" && packet.name === "terminate") return void busy.add(socket);
    if (packet.type === "register") listeners.add(socket);
    politely(packet, socket);
    if (packet.type !== "command" || packet.name !== "stats") return;
    for (const each of listeners)
      if (!busy.has(each)) each.write(encodePacket({ type: "event", name: "log", message: { of: "stats" } }));
  });
  const opened = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<unknown>();
  const link = keepLink({
    path,
    events: ["log"],
    hear: (event, message) => heard.resolve([event, { ...message }]),
    opened: async () => opened.resolve(),
    lost: opened.reject,
  });
  await opened.promise;
  const long = link.long().request("terminate", {}, { timeoutMs: 30_000 });
  const short = ["version", "get-conns", "stats"].map((name) => link.commands().request(name));
  expect(await Promise.all(short)).toMatchObject([{ is: "version" }, { is: "get-conns" }, { is: "stats" }]);
  expect(await heard.promise).toEqual(["log", { of: "stats" }]);
  link.stop();
  // It was still waiting.
  await expect(long).rejects.toMatchObject({ code: "AWAY" });
}, 5_000);
