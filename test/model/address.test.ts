import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cidr,
  contains,
  firstOf,
  fromNumber,
  type Ip,
  ip,
  isCidr,
  isIp,
  isMac,
  lastOf,
  mac,
  macOf,
  overlaps,
  prefixOf,
  sizeOf,
  toNumber,
} from "../../src/model/address.ts";

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(fromNumber);
const prefix = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => prefixOf(ip, length));

describe("an address", () => {
  it("is its number in other words", () => {
    fc.assert(fc.property(address, (ip) => isIp(ip) && fromNumber(toNumber(ip)) === ip));
    expect(toNumber(ip("255.255.255.255"))).toBe(4_294_967_295);
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.4.",
    " 1.2.3.4",
    "1.2.3.4\n",
    "0x1.2.3.4",
    "1.2.3.-4",
  ])("is not %j", (text) => {
    expect(isIp(text)).toBe(false);
    expect(() => ip(text)).toThrow(/^Cannot read address: expected an IPv4 address/);
  });

  it("gives a MAC of its own", () => {
    expect(macOf("10.42.64.98" as Ip)).toBe("02:53:0a:2a:40:62");
    fc.assert(fc.property(address, address, (a, b) => isMac(macOf(a)) && (macOf(a) === macOf(b)) === (a === b)));
    expect(() => mac("01:53:0a:2a:40:62")).toThrow(/^Cannot read MAC address/);
  });
});

describe("a prefix", () => {
  it("holds its first and last address and none beside them", () => {
    const property = fc.property(prefix, (prefix) => {
      const [first, last] = [toNumber(firstOf(prefix)), toNumber(lastOf(prefix))];
      expect(isCidr(prefix)).toBe(true);
      expect(last - first + 1).toBe(sizeOf(prefix));
      expect([first, last].every((n) => contains(prefix, fromNumber(n)))).toBe(true);
      if (first > 0) expect(contains(prefix, fromNumber(first - 1))).toBe(false);
      if (last < 2 ** 32 - 1) expect(contains(prefix, fromNumber(last + 1))).toBe(false);
    });
    fc.assert(property);
  });

  it("overlaps another when one holds the other's first address", () => {
    const property = fc.property(prefix, prefix, (a, b) => {
      const disjoint = toNumber(lastOf(a)) < toNumber(firstOf(b)) || toNumber(lastOf(b)) < toNumber(firstOf(a));
      return overlaps(a, b) === !disjoint && overlaps(b, a) === overlaps(a, b);
    });
    fc.assert(property);
  });

  it.each([
    "10.42.0.1/16",
    "10.42.0.0",
    "10.42.0.0/33",
    "10.42.0.0/016",
    "10.42.0.0/16/",
    "/16",
    "10.42.0.0/-1",
    "10.42.0.0/+8",
  ])("is not %j", (text) => {
    expect(isCidr(text)).toBe(false);
    expect(() => cidr(text)).toThrow(/^Cannot read prefix: expected an IPv4 prefix without host bits/);
  });
});
