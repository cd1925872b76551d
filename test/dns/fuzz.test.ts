import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { answer, type Verdict } from "../../src/dns/answer.ts";
import { foreignRecords } from "../../src/dns/chase.ts";
import { Frames, frame } from "../../src/dns/frames.ts";
import { answers, readQuery } from "../../src/dns/query.ts";
import { limitOf } from "../../src/dns/response.ts";
import { contextOf, packet, queryOf, zoneOf } from "./zone.ts";

const zone = zoneOf(
  Object.fromEntries(
    Array.from({ length: 150 }, (_, n) => [
      `10.42.1.${n}`,
      { name: `c${n}`, stack: "s", service: "all", aliases: ["x"] },
    ]),
  ),
  {
    "s/all": { ports: { http: { port: 80 } } },
    "s/out": { cname: "example.com" },
    "s/on": { cname: "out.s.rancher.internal" },
  },
);
const names = [
  "c1.rancher.internal",
  "all.s.rancher.internal",
  "on.s.rancher.internal",
  "_http._tcp.all.s.rancher.internal",
  "7.1.42.10.in-addr.arpa",
  "nothing.rancher.internal",
  "example.com",
  "",
];
const opt = { additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] }] };
const seeds = names.flatMap((name) =>
  ["A", "AAAA", "SRV", "PTR", "ANY", "SOA"].flatMap((type) => [queryOf(name, type), queryOf(name, type, opt)]),
);

/** Numbers that are the same in every run (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A valid message with one to four things wrong with it, or nothing but noise. */
function mutated(random: () => number): Buffer {
  const upTo = (n: number) => Math.floor(random() * n);
  if (random() < 0.05) return Buffer.from(Array.from({ length: upTo(600) }, () => upTo(256)));
  let message = Buffer.from(seeds[upTo(seeds.length)] as Buffer);
  for (let n = upTo(4); n >= 0; n--) {
    const at = upTo(message.length);
    switch (upTo(6)) {
      case 0:
        message[at] = upTo(256);
        break;
      case 1:
        message[at] = (message[at] ?? 0) ^ (1 << upTo(8));
        break;
      case 2:
        message = Buffer.from(message.subarray(0, at));
        break;
      case 3:
        message = Buffer.concat([message.subarray(0, at), Buffer.from([upTo(256)]), message.subarray(at)]);
        break;
      case 4:
        message = Buffer.concat([message, Buffer.from(seeds[upTo(seeds.length)] as Buffer).subarray(upTo(40))]);
        break;
      case 5:
        if (message.length > 12) message.writeUInt16BE(upTo(4), 4 + 2 * upTo(4));
        break;
    }
  }
  return message;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Octets that somebody still holds. */
function held(): number {
  collect();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

test("100,000 packets, valid ones mutated: each is answered as it may be, or not at all", () => {
  const random = numbers(20260101);
  const context = contextOf(zone, { random });
  const seen = new Map<string, number>();
  const before = held();
  for (let n = 0; n < 100_000; n++) {
    const message = mutated(random);
    const copy = Buffer.from(message);
    const verdict = answer(message, { ...context, transport: n % 2 ? "udp" : "tcp" });
    expect(message.equals(copy)).toBe(true);
    seen.set(verdict.type, (seen.get(verdict.type) ?? 0) + 1);
    if (verdict.type === "reply") checkReply(message, verdict, n % 2 ? "udp" : "tcp", n % 20 === 0);
  }
  // All branches were met, and nothing is kept of a question.
  for (const type of ["reply", "forward", "chase", "silence"]) expect(seen.get(type)).toBeGreaterThan(100);
  expect(held() - before).toBeLessThan(20e6);
});

function checkReply(
  query: Buffer,
  { message }: Extract<Verdict, { type: "reply" }>,
  transport: "udp" | "tcp",
  isDecoded: boolean,
) {
  const read = readQuery(query);
  if (message.readUInt16BE(0) !== query.readUInt16BE(0)) throw new Error("another number");
  if (!(message.readUInt16BE(2) & 0x8000)) throw new Error("no answer");
  if (typeof read === "object") {
    if (!answers(message, query, read.end)) throw new Error(`not to this question: ${query.toString("hex")}`);
    if (message.length > limitOf(read, transport)) throw new Error(`too long: ${message.length}`);
  } else if (message.length !== 12) throw new Error("more than a header");
  // The other codec reads every one of ours; it is slow, so that it looks at some.
  if (isDecoded) packet.decode(message);
}

test("answers from outside, mutated, are read as far as they can be", () => {
  const random = numbers(7);
  const upTo = (n: number) => Math.floor(random() * n);
  const question = queryOf("s3.example.com");
  const good = packet.encode({
    type: "response",
    id: 7,
    questions: [{ name: "s3.example.com", type: "A" }],
    answers: [
      { name: "s3.example.com", type: "CNAME", ttl: 60, data: "far.example.com" },
      { name: "far.example.com", type: "A", ttl: 60, data: "192.0.2.1" },
    ],
  });
  expect([...foreignRecords(good, question.length)].map(({ owner, target }) => [owner, target])).toEqual([
    ["s3.example.com", "far.example.com"],
    ["far.example.com", undefined],
  ]);
  for (let n = 0; n < 50_000; n++) {
    const message = Buffer.from(good.subarray(0, random() < 0.3 ? 12 + upTo(good.length - 12) : good.length));
    for (let times = upTo(4); times >= 0; times--) message[2 + upTo(message.length - 2)] = upTo(256);
    expect([...foreignRecords(message, question.length)].length).toBeLessThanOrEqual(200);
    answers(message, question, question.length);
  }
});

test("a stream in any pieces is the same messages", () => {
  const random = numbers(3);
  const sent = Array.from({ length: 500 }, () => mutated(random));
  const stream = Buffer.concat(sent.map(frame));
  const frames = new Frames();
  const heard: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const next = at + 1 + Math.floor(random() * 300);
    heard.push(...[...frames.take(stream.subarray(at, next))].map((message) => Buffer.from(message)));
    at = next;
  }
  expect(heard.map(String)).toEqual(sent.map(String));
});
