import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createForwarder } from "../../src/dns/forward.ts";
import { Frames, frame } from "../../src/dns/frames.ts";
import { readQuery } from "../../src/dns/query.ts";
import type { Upstream } from "../../src/dns/upstreams.ts";
import { type Decoded, packet, queryOf } from "./zone.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

type Reply = (query: Decoded, raw: Buffer) => Buffer | undefined;

/** A name server on loopback; what it was asked by UDP is counted. */
async function server(reply: Reply, tcp?: Reply): Promise<Upstream & { asked: Buffer[]; socket: Socket }> {
  const socket = createSocket("udp4");
  const asked: Buffer[] = [];
  socket.on("message", (message, { port, address }) => {
    asked.push(message);
    const answer = reply(packet.decode(message), message);
    if (answer) socket.send(answer, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  open.push(socket);
  const { port } = socket.address();
  if (tcp) {
    const listener = createServer((connection) => {
      const frames = new Frames();
      connection.on("data", (bytes) => {
        for (const message of frames.take(bytes))
          connection.write(frame(tcp(packet.decode(message), message) as Buffer));
      });
    }).listen(port, "127.0.0.1");
    await once(listener, "listening");
    open.push(listener);
  }
  return { address: "127.0.0.1", port, asked, socket };
}

const addressed =
  (data: string): Reply =>
  ({ id, questions }) =>
    packet.encode({
      type: "response",
      id,
      questions,
      answers: [{ name: questions[0]?.name, type: "A", ttl: 9, data }],
    });
const failing =
  (rcode: number): Reply =>
  ({ id, questions }) =>
    packet.encode({ type: "response", id, questions, flags: rcode });
const silent: Reply = () => undefined;

const question = queryOf("Example.com", "A", { id: 99 });
const end = (readQuery(question) as { end: number }).end;
const asked = (upstreams: readonly Upstream[], transport: "udp" | "tcp" = "udp", options = {}) =>
  createForwarder({ patienceMs: 20, deadlineMs: 300, ...options })
    .ask(question, end, upstreams, transport)
    .then((answer) => answer && packet.decode(answer));

test("the answer has the question's number, which the upstream never saw", async () => {
  const upstream = await server(addressed("192.0.2.1"));
  const answers = await Promise.all(Array.from({ length: 5 }, () => asked([upstream])));
  for (const answer of answers) expect(answer).toMatchObject({ id: 99, answers: [{ data: "192.0.2.1", ttl: 9 }] });
  const numbers = upstream.asked.map((message) => message.readUInt16BE(0));
  expect(new Set(numbers).size).toBeGreaterThan(3);
  expect(upstream.asked[0]?.subarray(2)).toEqual(question.subarray(2));
});

test("EDNS is passed on as it came, options and all, and so is the upstream's", async () => {
  const edns = (udpPayloadSize: number, cookie: string) => ({
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize,
        flags: 0x8000,
        options: [{ code: 10, data: Buffer.from(cookie, "hex") }],
      },
    ],
  });
  const asking = queryOf("Example.com", "A", { id: 99, ...edns(1400, "0123456789abcdef") });
  expect(readQuery(asking)).toMatchObject({ end, edns: { size: 1400, wantsDnssec: true } });
  const said = (id: number) =>
    packet.encode({
      type: "response",
      id,
      questions: [{ name: "Example.com", type: "A" }],
      ...edns(1300, "0123456789abcdef0011223344556677"),
    });
  const upstream = await server(({ id }) => said(id));
  expect(await createForwarder().ask(asking, end, [upstream], "udp")).toEqual(said(99));
  expect(upstream.asked.map((message) => message.subarray(2))).toEqual([asking.subarray(2)]);
});

test("a silent server is not waited for: the next is asked, too", async () => {
  const [dumb, good] = [await server(silent), await server(addressed("192.0.2.2"))];
  expect(await asked([dumb, good])).toMatchObject({ answers: [{ data: "192.0.2.2" }] });
  expect(dumb.asked.length).toBe(1);
});

test("a server that fails, or is not there, gives way at once; when all do, the failure is the answer", async () => {
  const [broken, good] = [await server(failing(2)), await server(addressed("192.0.2.3"))];
  const gone = await server(silent);
  gone.socket.close();
  open.splice(open.indexOf(gone.socket), 1);
  const patient = { patienceMs: 10_000, deadlineMs: 20_000 };
  expect(await asked([broken, gone, good], "udp", patient)).toMatchObject({ answers: [{ data: "192.0.2.3" }] });
  expect(await asked([gone, broken], "udp", patient)).toMatchObject({ rcode: "SERVFAIL" });
  expect(await asked([gone], "udp", patient)).toBeUndefined();
  expect(await asked([])).toBeUndefined();
});

test("NXDOMAIN is an answer", async () => {
  const [first, second] = [await server(failing(3)), await server(addressed("192.0.2.4"))];
  expect(await asked([first, second])).toMatchObject({ rcode: "NXDOMAIN" });
});

test("what is no answer to the question is not heard", async () => {
  const forger = await server(({ id, questions }, raw) => {
    const { port } = forger;
    expect(port).toBeGreaterThan(0);
    void raw;
    // Another number, another name.
    return packet.encode({ type: "response", id: id ^ 1, questions, answers: [] });
  });
  const other = await server(({ id }) =>
    packet.encode({ type: "response", id, questions: [{ name: "evil.com", type: "A" }] }),
  );
  expect(await asked([forger, other])).toBeUndefined();
});

test("what no datagram holds is fetched by TCP for a client that came by TCP, and told as such to one that did not", async () => {
  const long = await server(
    ({ id, questions }) => packet.encode({ type: "response", id, questions, flags: 0x200 }),
    addressed("192.0.2.5"),
  );
  expect(await asked([long], "tcp", { patienceMs: 5000, deadlineMs: 9000 })).toMatchObject({
    answers: [{ data: "192.0.2.5" }],
  });
  expect(await asked([long], "udp")).toMatchObject({ flag_tc: true, answers: [] });
});

test("questions under way are bounded", async () => {
  const dumb = await server(silent);
  const forwarder = createForwarder({ mostInFlight: 3, patienceMs: 20, deadlineMs: 100 });
  const answers = await Promise.all(Array.from({ length: 10 }, () => forwarder.ask(question, end, [dumb], "udp")));
  expect(answers).toEqual(Array(10).fill(undefined));
  expect(dumb.asked.length).toBe(3);
});
