import fc from "fast-check";
import { expect, test } from "vitest";
import * as c from "../../src/kernel/netlink/constants.ts";
import { MessageReader } from "../../src/kernel/netlink/reader.ts";
import { readSa, readStanding, type SaNotice, withoutKeys } from "../../src/kernel/netlink/sa-messages.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";
import { fromNumber, type Ip, ip } from "../../src/model/address.ts";

/** 36 octets that must not be seen again. */
const key = Array.from({ length: 36 }, (_, at) => 0xa0 + at);

/** A notification as the kernel makes it: of one that goes, what it was follows with its keys. */
function notify(writer: MessageWriter, type: number, dst: Ip, spi: number, hard: number): void {
  writer.begin(type, 0);
  const id = () =>
    writer
      .address(dst)
      .zeros(12)
      .u8(spi >>> 24, (spi >>> 16) & 255, (spi >>> 8) & 255, spi & 255);
  if (type === c.XFRM_MSG_FLUSHSA) writer.zeros(8);
  else if (type === c.XFRM_MSG_DELSA) id().u16(c.AF_INET).u8(c.IPPROTO_ESP, 0);
  else {
    writer.zeros(56);
    id().u8(c.IPPROTO_ESP, 0, 0, 0).zeros(132).u16(c.AF_INET).zeros(10);
    if (type === c.XFRM_MSG_EXPIRE) writer.u8(hard).zeros(7);
  }
  if (type !== c.XFRM_MSG_EXPIRE && type !== c.XFRM_MSG_FLUSHSA) writer.bytes(c.XFRMA_ALG_AEAD, key);
}

const anyNotification = fc.record({
  type: fc.constantFrom(c.XFRM_MSG_NEWSA, c.XFRM_MSG_UPDSA, c.XFRM_MSG_DELSA, c.XFRM_MSG_EXPIRE, c.XFRM_MSG_FLUSHSA),
  dst: fc.integer({ min: 0, max: 0xffffffff }).map(fromNumber),
  spi: fc.integer({ min: 0, max: 0xffffffff }),
  hard: fc.constantFrom(0, 1),
});

test("the end of an SA is told, and no key ever", () => {
  fc.assert(
    fc.property(fc.array(anyNotification, { maxLength: 8 }), (all) => {
      const writer = new MessageWriter();
      for (const { type, dst, spi, hard } of all) notify(writer, type, dst, spi, hard);
      const clean = withoutKeys(writer.finish());
      expect(Buffer.from(clean).includes(Buffer.from(key))).toBe(false);
      const message = new MessageReader(clean);
      const told: (SaNotice | undefined)[] = [];
      while (message.next()) told.push(readSa(message));
      const wanted = all.flatMap(({ type, dst, spi, hard }): SaNotice[] => {
        if (type === c.XFRM_MSG_FLUSHSA) return [{ type: "flushed" }];
        const isEnd = type === c.XFRM_MSG_DELSA || (type === c.XFRM_MSG_EXPIRE && hard === 1);
        return isEnd && spi !== 0 ? [{ type: "deleted", spi, dst }] : [];
      });
      expect(told.filter((notice) => notice !== undefined)).toEqual(wanted);
    }),
  );
});

test("of SAs that stand a dump tells SPI and destination, and no key", () => {
  const writer = new MessageWriter();
  notify(writer, c.XFRM_MSG_NEWSA, ip("192.0.2.1"), 0xc0ffee, 0);
  // Larval ones hold a place, and stand for nothing.
  notify(writer, c.XFRM_MSG_NEWSA, ip("192.0.2.1"), 0, 0);
  const clean = withoutKeys(writer.finish());
  expect(Buffer.from(clean).includes(Buffer.from(key))).toBe(false);
  const message = new MessageReader(clean);
  const told = [];
  while (message.next()) told.push(readStanding(message));
  expect(told).toEqual([{ spi: 0xc0ffee, dst: "192.0.2.1" }, undefined]);
});

test("policies pass unchanged", () => {
  const writer = new MessageWriter();
  writer.begin(c.XFRM_MSG_FLUSHPOLICY, 0).begin(c.XFRM_MSG_NEWPOLICY, 0).zeros(168).ip(1, ip("10.0.0.1"));
  const bytes = writer.finish();
  expect(withoutKeys(bytes)).toEqual(bytes);
});
