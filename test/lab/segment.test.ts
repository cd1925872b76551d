import { expect, test } from "vitest";
import { segmentOf } from "../../src/lab/segment.ts";
import { cidr } from "../../src/model/address.ts";

test("hosts are counted from below, what serves them from above", () => {
  const segment = segmentOf(cidr("10.99.0.0/24"), 3);
  expect(segment).toMatchObject({ length: 24, wire: "10.99.0.254", gateway: "10.99.0.253" });
  expect([1, 2, 3].map(segment.host)).toEqual(["10.99.0.1", "10.99.0.2", "10.99.0.3"]);
});

test("a wire holds as many hosts as leave room for the rest", () => {
  expect(segmentOf(cidr("192.0.2.0/29"), 4).host(4)).toBe("192.0.2.4");
  expect(segmentOf(cidr("192.0.2.0/29"), 4).gateway).toBe("192.0.2.5");
  expect(() => segmentOf(cidr("192.0.2.0/29"), 5)).toThrow(/expected 1 to 4 hosts/);
  expect(() => segmentOf(cidr("192.0.2.0/29"), 0)).toThrow(/got 0/);
});
