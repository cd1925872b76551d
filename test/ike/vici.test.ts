import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../src/ike/vici/decode.ts";
import { encodeMessage } from "../../src/ike/vici/encode.ts";
import { deepest, longestValue, type Message } from "../../src/ike/vici/message.ts";
import { decodePacket, encodePacket, longestSegment, type Packet } from "../../src/ike/vici/packet.ts";
import { Segments } from "../../src/ike/vici/segments.ts";

// Names that look like numbers would be put in another order by JavaScript itself; charon has none.
const name = fc.stringMatching(/^([a-z_][a-z0-9_.<>-]{0,40})?$/);
const octets = fc.uint8Array({ maxLength: 300 });
const value = fc.oneof(
  fc.string({ maxLength: 200 }),
  octets.filter((bytes) => !isText(bytes)),
);
const { message } = fc.letrec<{ message: Message }>((tie) => ({
  message: fc.dictionary(
    name,
    fc.oneof({ maxDepth: 4, depthIdentifier: "message" }, value, fc.array(value, { maxLength: 5 }), tie("message")),
    { maxKeys: 6, noNullPrototype: false },
  ) as fc.Arbitrary<Message>,
}));

function isText(bytes: Uint8Array): boolean {
  return Buffer.compare(Buffer.from(Buffer.from(bytes).toString()), bytes) === 0;
}

/** Without prototypes, as decoded messages are. */
function plain(thing: unknown): unknown {
  if (Array.isArray(thing)) return thing.map(plain);
  if (typeof thing !== "object" || thing === null || thing instanceof Uint8Array) return thing;
  return Object.assign(Object.create(null), Object.fromEntries(Object.entries(thing).map(([k, v]) => [k, plain(v)])));
}

test("what is encoded is decoded, in the same order", () => {
  fc.assert(
    fc.property(message, (given) => {
      const found = decodeMessage(encodeMessage(given));
      expect(found).toEqual(plain(given));
      expect(Object.keys(found)).toEqual(Object.keys(given));
    }),
  );
});

test("packets are what they were, however the stream is cut", () => {
  const packet = fc.oneof(
    fc.record({ type: fc.constantFrom("command", "event"), name, message }),
    fc.record({ type: fc.constant("response"), message }),
    fc.record({ type: fc.constantFrom("register", "unregister"), name }),
    fc.record({ type: fc.constantFrom("confirmed", "event unknown", "command unknown") }),
  ) as fc.Arbitrary<Packet>;
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      (given, cuts) => {
        const stream = Buffer.concat(given.map(encodePacket));
        const segments = new Segments();
        const found: Packet[] = [];
        for (let at = 0, n = 0; at < stream.length; n++) {
          const cut = cuts[n % cuts.length] as number;
          for (const segment of segments.push(stream.subarray(at, at + cut))) found.push(decodePacket(segment));
          at += cut;
        }
        expect(found).toEqual(given.map(plain));
      },
    ),
  );
});

test("any octets at all are a message, or an error that says at which of them it is none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodePacket(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: "ViciError", code: "MALFORMED" });
        expect((error as Error).message).toMatch(/^Cannot decode (packet|message): expected .+, got .+$/);
      }
    }),
    { numRuns: 5_000 },
  );
});

test("a message that is cut short anywhere is an error", () => {
  const whole = encodeMessage({ a: "b", list: ["x", "y"], section: { inner: { c: "d" } } });
  for (let length = 1; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    // Between two elements of the root it is a shorter message.
    if (length === encodeMessage({ a: "b" }).length || length === encodeMessage({ a: "b", list: ["x", "y"] }).length)
      continue;
    expect(() => decodeMessage(cut), `${length} octets`).toThrow(/^Cannot decode message: expected .* at octet \d+/);
  }
});

describe("malformed", () => {
  const cases: [string, number[], string][] = [
    ["an unknown element", [9], "expected the start of a section, value or list at octet 0, got element 9"],
    ["an end of nothing", [2], "expected a section that is open at octet 0, got the end of one that is not"],
    ["a section without end", [1, 1, 97], "expected the end of each section at octet 3, got the end of the message"],
    ["a list without end", [4, 1, 97], "expected the end of the list at octet 3, got the end of the message"],
    ["a section in a list", [4, 1, 97, 1, 1, 98], "expected an item or the end of the list at octet 3, got element 1"],
    ["an item outside", [5, 0, 0], "expected the start of a section, value or list at octet 0, got element 5"],
    ["an end of no list", [6], "expected the start of a section, value or list at octet 0, got element 6"],
    ["a name that is cut", [3, 5, 97], "expected 5 octets at octet 2, got 1"],
    ["a length that is cut", [3, 1, 97, 0], "expected 2 octets at octet 3, got 1"],
    ["a value that is cut", [3, 1, 97, 255, 255, 98], "expected 65535 octets at octet 5, got 1"],
  ];
  test.each(cases)("%s", (_, bytes, message) => {
    expect(() => decodeMessage(Uint8Array.from(bytes))).toThrow(`Cannot decode message: ${message}`);
  });

  test("sections without end do not reach the stack's", () => {
    const bytes = Buffer.concat(Array.from({ length: 100_000 }, () => Buffer.of(1, 1, 97)));
    expect(() => decodeMessage(bytes)).toThrow(`expected at most ${deepest} sections in each other`);
  });

  test("packets of no type, and without their name", () => {
    expect(() => decodePacket(Uint8Array.of())).toThrow("expected a packet's type, 0 to 7, got nothing");
    expect(() => decodePacket(Uint8Array.of(8))).toThrow("expected a packet's type, 0 to 7, got 8");
    expect(() => decodePacket(Uint8Array.of(7, 4, 97))).toThrow('expected a name after "event", got 1 octets');
  });

  test("segments of no length, and of more than there may be", () => {
    expect(() => new Segments().push(Buffer.alloc(4))).toThrow(
      `expected a segment of 1 to ${longestSegment} octets, got 0`,
    );
    expect(() => new Segments().push(Buffer.from("HTTP/1.1 400 Bad Request"))).toThrow("got 1213486160");
  });

  test("a name means itself", () => {
    const bytes = Buffer.concat([Buffer.of(3, 9), Buffer.from("__proto__"), Buffer.of(0, 1, 97)]);
    expect(Object.keys(decodeMessage(bytes))).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });
});

test("what does not fit is refused before it is sent, by name", () => {
  const long = "n".repeat(256);
  expect(() => encodeMessage({ [long]: "" })).toThrow("expected a name of at most 255 octets, got 256");
  expect(() => encodeMessage({ a: { b: "x".repeat(longestValue + 1) } })).toThrow(
    "Cannot encode a.b: expected a value",
  );
  const huge: Message = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`v${n}`, "x".repeat(longestValue)]));
  expect(() => encodePacket({ type: "command", name: "load-conn", message: huge })).toThrow(
    `Cannot encode command load-conn: expected at most ${longestSegment} octets`,
  );
});
