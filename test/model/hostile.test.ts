import { describe, expect, it } from "vitest";
import { decode, type Rejection } from "../../src/model/decode.ts";
import { keyOf, parseKey } from "../../src/model/keys.ts";

const container = "keyspaces/blue/containers/h1/mongo";
const name = "a".repeat(63);

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
}

function rejectionOf(key: string, value: unknown): Rejection | undefined {
  const decoded = decode(key, bytes(value));
  return decoded && "rejected" in decoded ? decoded.rejected : undefined;
}

/** Cyrillic а, e and o, which look Latin. */
const lookAlike = "m\u043eng\u043e";

describe("keys that are none", () => {
  it.each([
    [""],
    ["/"],
    ["networks"],
    ["networks/"],
    ["/networks/blue"],
    ["networks//blue"],
    ["networks/blue/"],
    ["networks/blue/x"],
    ["networks/.."],
    ["networks/."],
    ["networks/a..b"],
    ["networks/-a"],
    ["networks/a-"],
    ["networks/a b"],
    ["networks/a\nb"],
    ["networks/a\n"],
    ["networks/a\0"],
    ["networks/a\u001b[2J"],
    ["networks/a\u202eb"],
    [`networks/${lookAlike}`],
    [`networks/${"a".repeat(64)}`],
    ["networks/__proto__"],
    ["networks/a%2fb"],
    ["networks/a\\b"],
    ["Networks/blue"],
    ["hosts/h1/x"],
    ["hosts"],
    ["keyspaces/blue"],
    ["keyspaces/blue/"],
    ["keyspaces/blue/containers"],
    ["keyspaces/blue/containers/h1"],
    ["keyspaces/blue/containers/h1/"],
    ["keyspaces/blue/containers//mongo"],
    ["keyspaces/blue/containers/h1/mongo/x"],
    ["keyspaces/../networks/blue"],
    ["keyspaces/blue/members/h1/x"],
    ["keyspaces/blue/blocks/10.42.0.0/26"],
    ["keyspaces/blue/policies/p"],
    ["keyspaces/blue/__proto__/h1"],
    [`keyspaces/blue/members/${"/".repeat(1_000_000)}`],
    [`networks/${"a".repeat(1_000_000)}`],
    [`networks/${"a-".repeat(500_000)}`],
  ])("%j", (key) => {
    const rejection = rejectionOf(key, {});
    expect(rejection).toMatchObject({
      code: "KEY",
      reason: expect.stringMatching(/^Cannot place key: [\x20-\x7e]{1,300}$/),
    });
  });
});

describe("keys that are some", () => {
  it.each([
    ["networks/constructor"],
    ["hosts/toString"],
    ["keyspaces/constructor/members/hasOwnProperty"],
    [`keyspaces/${name}/containers/${name}/${name}`],
    ["keyspaces/blue/blocks/10.42.64.64-26"],
    ["alive/h1"],
    ["status/blue/h1"],
    ["networks/.beacon"],
    ["hosts/.beacon"],
    ["keyspaces/blue/.beacon"],
  ])("%s is spelled by its path", (key) => {
    const path = parseKey(key);
    expect(path && keyOf(path)).toBe(key);
  });

  it.each(["alive/h1", "status/blue/h1", "networks/.beacon"])("%s is none of the world's", (key) => {
    expect(decode(key, bytes("no JSON"))).toBeUndefined();
  });
});

describe("values that are none", () => {
  const deep = (n: number) => `${"[".repeat(n)}${"]".repeat(n)}`;
  it.each<[title: string, value: unknown, code: Rejection["code"], reason: string]>([
    ["nothing", "", "JSON", "expected JSON, got Unexpected end of JSON input"],
    ["half an object", '{"name":', "JSON", "expected JSON"],
    ["two objects", '{"name":"a"}{"name":"b"}', "JSON", "expected JSON"],
    ["a comment", '{"name":"a"} // mongo', "JSON", "expected JSON"],
    ["NUL bytes", Buffer.alloc(32), "JSON", "expected JSON"],
    ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), "JSON", "expected JSON"],
    ["an overlong slash", Buffer.from('{"name":"a\xc0\xafb"}', "latin1"), "JSON", "expected JSON"],
    ["UTF-16", Buffer.from('{"name":"a"}', "utf16le"), "JSON", "expected JSON"],
    ["NaN", "NaN", "JSON", "expected JSON"],
    ["brackets, 100,000 deep, unclosed", "[".repeat(100_000), "JSON", "expected JSON"],
    ["brackets, 100,000 deep", deep(100_000), "SHAPE", "expected an object, got an array of 1"],
    ["a name 100,000 deep", `{"name":${deep(100_000)}}`, "SHAPE", "name: expected a string, got an array of 1"],
    [
      "more than the limit",
      `{"name":"${"a".repeat(256 * 1024)}"}`,
      "SIZE",
      "expected at most 262144 bytes, got 262155",
    ],
    ["null", "null", "SHAPE", "expected an object, got null"],
    ["a string", '"mongo"', "SHAPE", 'expected an object, got "mongo"'],
    ["infinity", "1e999", "SHAPE", "expected an object, got Infinity"],
    ["an array", "[{}]", "SHAPE", "expected an object, got an array of 1"],
    ["a name that is a number", { name: 1 }, "SHAPE", "name: expected a string, got 1"],
    [
      "an empty name",
      { name: "" },
      "SHAPE",
      "name: expected a name of at most 63 letters, digits, '-', '_' and '.', got \"\"",
    ],
    ["a name with a path", { name: "../etc" }, "SHAPE", "name: expected a name"],
    ["a name with two dots", { name: "a..b" }, "SHAPE", "name: expected a name without '..', got \"a..b\""],
    ["a name with a newline", { name: "mongo\n" }, "SHAPE", "name: expected a name of at most"],
    ["a name that looks Latin", { name: lookAlike }, "SHAPE", 'got "m\\u{43e}ng\\u{43e}"'],
    ["a very long name", { name: "a".repeat(100_000) }, "SHAPE", "name: expected a name"],
    ["a name only inherited", '{"__proto__":{"name":"a"}}', "SHAPE", "name: expected a string, got nothing"],
    ["an address with leading zeros", { name: "a", ip: "10.042.0.2" }, "SHAPE", "ip: expected an IPv4 address"],
    ["an address of three parts", { name: "a", ip: "10.42.2" }, "SHAPE", "ip: expected an IPv4 address"],
    ["an address as a number", { name: "a", ip: 170_524_674 }, "SHAPE", "ip: expected a string, got 170524674"],
    ["an address in full-width digits", { name: "a", ip: "１０.42.0.2" }, "SHAPE", "ip: expected an IPv4 address"],
    ["an IPv6 address", { name: "a", ip: "fd00::2" }, "SHAPE", "ip: expected an IPv4 address"],
    ["an address with a newline", { name: "a", ip: "10.42.0.2\n" }, "SHAPE", "ip: expected an IPv4 address"],
    ["a MAC of zeros", { name: "a", mac: "00:00:00:00:00:00" }, "SHAPE", "mac: expected a unicast MAC address"],
    ["a broadcast MAC", { name: "a", mac: "ff:ff:ff:ff:ff:ff" }, "SHAPE", "mac: expected a unicast MAC address"],
    [
      "the host's own namespace by climbing",
      { name: "a", netns: "/run/netns/../../proc/1/ns/net" },
      "SHAPE",
      "netns: expected a path without",
    ],
    ["a path ending in a climb", { name: "a", netns: "/run/netns/.." }, "SHAPE", "netns: expected a path without"],
    ["a path that stays", { name: "a", netns: "/run/netns/./a" }, "SHAPE", "netns: expected a path without"],
    [
      "a path with an empty segment",
      { name: "a", netns: "/run//netns/a" },
      "SHAPE",
      "netns: expected an absolute path",
    ],
    ["a path ending in a slash", { name: "a", netns: "/run/netns/a/" }, "SHAPE", "netns: expected an absolute path"],
    ["a path with NUL", { name: "a", netns: "/run/netns/a\0/b" }, "SHAPE", "netns: expected an absolute path"],
    ["a path with a space", { name: "a", netns: "/run/netns/a b" }, "SHAPE", "netns: expected an absolute path"],
    [
      "a path with a shell in it",
      { name: "a", netns: "/run/netns/$(reboot)" },
      "SHAPE",
      "netns: expected an absolute path",
    ],
    [
      "a path of 100,000 segments",
      { name: "a", netns: "/a".repeat(100_000) },
      "SHAPE",
      "netns: expected at most 200 characters",
    ],
    [
      "a path that almost matches",
      { name: "a", netns: `/${"a".repeat(198)}!` },
      "SHAPE",
      "netns: expected an absolute path",
    ],
    [
      "65 aliases",
      { name: "a", aliases: Array(65).fill("b") },
      "SHAPE",
      "aliases: expected at most 64 entries, got an array of 65",
    ],
    [
      "65 labels",
      { name: "a", labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [i, ""])) },
      "SHAPE",
      "labels: expected at most 64 labels",
    ],
    [
      "a long label",
      { name: "a", labels: { x: "y".repeat(256) } },
      "SHAPE",
      "labels.x: expected at most 255 characters",
    ],
    [
      "a long label key",
      { name: "a", labels: { ["k".repeat(64)]: "" } },
      "SHAPE",
      "expected a key of at most 63 characters",
    ],
    [
      "a label that clears the screen",
      { name: "a", labels: { x: "\u001b[2J" } },
      "SHAPE",
      "labels.x: expected text without control characters",
    ],
    [
      "a label that turns text round",
      { name: "a", labels: { x: "a\u202eb" } },
      "SHAPE",
      "labels.x: expected text without control characters",
    ],
    ["labels that are a list", { name: "a", labels: ["x"] }, "SHAPE", "labels: expected an object, got an array of 1"],
  ])("%s", (_, value, code, reason) => {
    const rejection = rejectionOf(container, value);
    expect(rejection?.code).toBe(code);
    expect(rejection?.reason).toContain(reason);
    expect(rejection?.reason).toMatch(/^Cannot read record: [\x20-\x7e]{1,800}$/);
  });
});

describe("values that are some", () => {
  it("lose what the record does not say, however deep", () => {
    const value = `{"name":"a","x":${"[".repeat(50_000)}${"]".repeat(50_000)},"__proto__":{"ip":"10.42.0.9"},"constructor":1}`;
    expect(decode(container, bytes(value))).toMatchObject({ value: { name: "a" } });
    const decoded = decode(container, bytes(value)) as { value: { ip?: string } };
    expect(Object.keys(decoded.value)).toEqual(["name"]);
    expect(decoded.value.ip).toBeUndefined();
  });

  it("keep labels named like what objects inherit, and are not changed by them", () => {
    const value = '{"name":"a","labels":{"constructor":"x","toString":"y","__proto__":"z"}}';
    const { labels } = (decode(container, bytes(value)) as { value: { labels: object } }).value;
    expect(Object.entries(labels)).toEqual(
      expect.arrayContaining([
        ["constructor", "x"],
        ["toString", "y"],
      ]),
    );
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    expect(({} as { z?: string }).z).toBeUndefined();
  });

  it("take the last of two fields of one name, as JSON.parse does", () => {
    expect(decode(container, bytes('{"name":"a","name":"b"}'))).toMatchObject({ value: { name: "b" } });
  });
});
