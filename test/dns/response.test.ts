import { expect, test } from "vitest";
import { readQuery } from "../../src/dns/query.ts";
import { truncated } from "../../src/dns/response.ts";
import { packet } from "./zone.ts";

const [aa, rd] = [0x0400, 0x0100];
const questions = [{ type: "TXT", name: "many.example.org" }];
const opt = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] };

test.each([
  ["where it was asked", [opt], ["OPT"]],
  ["not where it was not", [], []],
])("an answer cut for a datagram keeps what its header says, and has OPT %s", (_, additionals, expected) => {
  const query = readQuery(packet.encode({ type: "query", id: 7, flags: rd, questions, additionals }));
  if (typeof query !== "object") throw new Error("expected a query");
  const answers = Array.from({ length: 90 }, () => ({ ...questions[0], ttl: 1, data: "x".repeat(40) }));
  const whole = packet.encode({ type: "response", id: 7, flags: aa, questions, answers, additionals });
  const short = packet.decode(truncated(query, whole));
  const flags = { flag_aa: true, flag_tc: true, flag_rd: true, flag_ra: false };
  expect(short).toMatchObject({ id: 7, rcode: "NOERROR", ...flags, questions, answers: [] });
  expect(short.additionals.map(({ type }) => type)).toEqual(expected);
});
