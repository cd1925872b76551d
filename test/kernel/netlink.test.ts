import fc from "fast-check";
import { expect, test } from "vitest";
import type { LinkTable } from "../../src/kernel/link-table.ts";
import { MessageReader } from "../../src/kernel/netlink/reader.ts";
import { addRoute, readRoute } from "../../src/kernel/netlink/route-messages.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";
import { routes } from "../../src/kernel/routes.ts";
import { cidr, fromNumber, type Ip, ip, type Mac, mac, prefixOf } from "../../src/model/address.ts";

const anyIp = fc.integer({ min: 0, max: 0xffffffff }).map(fromNumber);
const anyMac = fc
  .uint8Array({ minLength: 5, maxLength: 5 })
  .map((bytes) => mac(["02", ...[...bytes].map((byte) => byte.toString(16).padStart(2, "0"))].join(":")));
const anyPrefix = fc
  .tuple(anyIp, fc.integer({ min: 0, max: 32 }))
  .map(([address, length]) => prefixOf(address, length));

test("attributes are read as they were written, in any number and order of messages", () => {
  const message = fc.record({
    address: anyIp,
    lladdr: anyMac,
    number: fc.nat(),
    text: fc.stringMatching(/^[a-z0-9]{1,15}$/),
    on: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), (wanted) => {
      const writer = new MessageWriter();
      for (const { address, lladdr, number, text, on } of wanted) {
        writer.begin(7, 0).u32(number).ip(1, address).flag(2, on);
        writer.nested(3, () =>
          writer
            .mac(4, lladdr)
            .text(5, text)
            .port(6, number & 0xffff),
        );
      }
      expect(writer.count).toBe(wanted.length);
      const reader = new MessageReader(writer.finish());
      const found = [];
      while (reader.next()) {
        const attributes = reader.attributes(4);
        const inner = attributes.nested(3);
        expect(inner?.port(6)).toBe(reader.u32(0) & 0xffff);
        found.push({
          address: attributes.ip(1) as Ip,
          lladdr: inner?.mac(4) as Mac,
          number: reader.u32(0),
          text: inner?.text(5) ?? "",
          on: attributes.u8(2) === 1,
        });
      }
      expect(found).toEqual(wanted);
    }),
  );
});

test("bytes of any sort end the reading, and never run over", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const reader = new MessageReader(bytes);
      let count = 0;
      while (reader.next() && count++ < 100) {
        const attributes = reader.attributes(0);
        for (let type = 0; type < 64; type++) attributes.text(type);
      }
      expect(count).toBeLessThan(100);
    }),
  );
});

test("a route is read as it was written", () => {
  fc.assert(
    fc.property(anyPrefix, fc.option(anyIp), fc.option(anyIp), fc.boolean(), (dst, via, src, onlink) => {
      const value = {
        type: "unicast",
        dst,
        dev: "vx0",
        ...(via !== null && { via }),
        ...(via !== null && onlink && { onlink: true as const }),
        ...(src !== null && { src }),
        scope: via === null ? "link" : "global",
      } as const;
      const writer = new MessageWriter();
      addRoute(writer, value, 5, false);
      const reader = new MessageReader(writer.finish());
      expect(reader.next()).toBe(true);
      const table = {
        scope: "net:blue",
        nameFor: (index: number) => (index === 5 ? "vx0" : undefined),
      } as unknown as LinkTable;
      expect(routes.read(reader, table)).toEqual({
        type: "present",
        row: { kind: "route", scope: "net:blue", key: dst, value },
      });
    }),
  );
});

test("a route that says what none of ours says is found to be other than any wish", () => {
  const writer = new MessageWriter();
  const metrics = 8;
  addRoute(
    writer,
    { type: "unicast", dst: cidr("10.0.0.0/8"), dev: "vx0", via: ip("10.1.1.1"), scope: "global" },
    5,
    false,
  );
  writer.nested(metrics, () => writer.number(2, 1300));
  const reader = new MessageReader(writer.finish());
  reader.next();
  expect(readRoute(reader)?.foreign).toBe(true);
  const table = { scope: "net:blue", nameFor: () => "vx0" } as unknown as LinkTable;
  expect(routes.read(reader, table)).toMatchObject({ row: { value: { dev: "" } } });
});
