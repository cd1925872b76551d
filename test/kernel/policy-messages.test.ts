import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOurPolicy, type Policy } from "../../src/desired/rows.ts";
import * as c from "../../src/kernel/netlink/constants.ts";
import { putPolicy, readPolicy, removePolicy } from "../../src/kernel/netlink/policy-messages.ts";
import { MessageReader } from "../../src/kernel/netlink/reader.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";
import { cidr, fromNumber, ip, prefixOf } from "../../src/model/address.ts";

const anyIp = fc.integer({ min: 0, max: 0xffffffff }).map(fromNumber);
const anyPrefix = fc
  .tuple(anyIp, fc.integer({ min: 0, max: 32 }))
  .map(([address, length]) => prefixOf(address, length));
const word = fc.integer({ min: 1, max: 0xffffffff });
const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    names: fc.record({ dir: fc.constantFrom("in", "out", "fwd"), src: anyPrefix, dst: anyPrefix }),
    udp: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    ifId: fc.option(word, { nil: undefined }),
    priority: word,
    reqid: word,
    outer: fc.option(fc.record({ src: anyIp, dst: anyIp }), { nil: undefined }),
  })
  .map(({ names, udp, ifId, priority, reqid, outer }) => ({
    ...names,
    ...(udp !== undefined && { udp }),
    ...(ifId !== undefined && { ifId }),
    priority,
    mode: outer ? "tunnel" : "transport",
    reqid,
    ...(outer && { outer }),
  }));

const tunnel: Policy = {
  dir: "out",
  src: cidr("0.0.0.0/0"),
  dst: cidr("10.42.64.64/26"),
  ifId: 0x53000001,
  priority: 8306,
  mode: "tunnel",
  reqid: 0x80000007,
  outer: { src: ip("10.99.0.1"), dst: ip("10.99.0.2") },
};

test("a policy is read as it was written", () => {
  fc.assert(
    fc.property(fc.array(anyPolicy, { maxLength: 5 }), fc.boolean(), (policies, exclusive) => {
      const writer = new MessageWriter();
      for (const policy of policies) putPolicy(writer, policy, exclusive);
      const message = new MessageReader(writer.finish());
      const found = [];
      while (message.next()) found.push(readPolicy(message));
      expect(found).toEqual(policies);
    }),
  );
});

test("a policy is removed by the selector it was made with", () => {
  fc.assert(
    fc.property(anyPolicy, (policy) => {
      const [put, remove] = [new MessageWriter(), new MessageWriter()];
      putPolicy(put, policy, true);
      removePolicy(remove, policy);
      const [made, removed] = [put.finish(), remove.finish()];
      expect(removed.subarray(16, 16 + 56)).toEqual(made.subarray(16, 16 + 56));
      expect(removed[16 + 60]).toBe(made[16 + 160]);
      expect(removed.length).toBe(16 + 64 + (policy.ifId === undefined ? 0 : 8));
    }),
  );
});

/** The tunnel's message with one number other than we write it, by its place in the message. */
function changed(at: number, byte: number, policy = tunnel): Policy | undefined {
  const writer = new MessageWriter();
  putPolicy(writer, policy, true);
  const bytes = writer.finish();
  bytes[16 + at] = byte;
  const message = new MessageReader(bytes);
  message.next();
  return readPolicy(message);
}

const template = 168 + 4;

describe("a policy of our selector is no wish's", () => {
  test.each([
    ["blocks", 161, 1],
    ["lets the sockets' own go before it", 162, 1],
    ["is for one session only", 163, 1],
    ["has an end", 56 + 40, 1],
    ["has a limit of bytes", 56 + 8, 1],
    ["is of AH", template + 20, 51],
    ["is of one SA only", template + 16, 1],
    ["is optional", template + 50, 1],
    ["is of a mode that we have not", template + 48, 4],
    ["allows some algorithms only", template + 52, 0],
  ])("where it %s", (_what, at, byte) => {
    expect(changed(at, byte)).toMatchObject({ dir: "out", dst: tunnel.dst, ifId: tunnel.ifId, reqid: 0 });
  });

  test("where it asks for no ESP at all", () => {
    const writer = new MessageWriter();
    putPolicy(writer, tunnel, true);
    const bytes = writer.finish();
    // The template's attribute becomes one that nobody reads.
    new DataView(bytes.buffer).setUint16(16 + 168 + 2, 60, true);
    const message = new MessageReader(bytes);
    message.next();
    expect(readPolicy(message)).toMatchObject({ reqid: 0 });
  });
});

describe("a policy is none that a row could name", () => {
  test.each([
    ["IPv6", 40, c.AF_INET6, tunnel],
    ["TCP", 44, 6, tunnel],
    ["a device", 48, 1, tunnel],
    ["a user", 52, 1, tunnel],
    ["a socket", 160, 3, tunnel],
    ["two ports", 33, 1, { ...tunnel, udp: 4789 }],
    ["a range of ports", 35, 0, { ...tunnel, udp: 4789 }],
  ])("of %s", (_what, at, byte, policy) => {
    expect(changed(at, byte, policy)).toBeUndefined();
  });

  test.each([
    ["mark", c.XFRMA_MARK],
    ["second table", c.XFRMA_POLICY_TYPE],
  ])("with a %s", (_what, attribute) => {
    const writer = new MessageWriter();
    putPolicy(writer, tunnel, true);
    writer.number(attribute, 1);
    const message = new MessageReader(writer.finish());
    message.next();
    expect(readPolicy(message)).toBeUndefined();
  });
});

test("bytes of any sort are read as something or nothing", () => {
  fc.assert(
    fc.property(fc.constantFrom(19, 20, 25), fc.uint8Array({ maxLength: 300 }), (type, body) => {
      const bytes = new Uint8Array(16 + body.length);
      new DataView(bytes.buffer).setUint32(0, bytes.length, true);
      bytes[4] = type;
      bytes.set(body, 16);
      const message = new MessageReader(bytes);
      message.next();
      expect(() => readPolicy(message)).not.toThrow();
    }),
  );
});

test.each([
  [8299, undefined, false],
  [8300, undefined, true],
  [8332, undefined, true],
  [8333, undefined, false],
  [1, 0x53000001, true],
  [1, 0x53ffffff, true],
  [1, 7, false],
])("a policy of priority %i and if_id %s is ours: %s", (priority, ifId, expected) => {
  const { ifId: _, ...rest } = tunnel;
  expect(isOurPolicy({ ...rest, ...(ifId !== undefined && { ifId }), priority })).toBe(expected);
});
