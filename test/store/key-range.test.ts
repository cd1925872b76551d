import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyRange, keyText } from "../../src/store/key-range.ts";

describe("the range of a prefix", () => {
  it("holds exactly the keys that begin so", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 4 });
    fc.assert(
      fc.property(text, text, (prefix, key) => {
        fc.pre(prefix.length > 0 && key.length > 0);
        const { start, end } = keyRange(prefix);
        const bytes = Buffer.from(key);
        const inside = Buffer.compare(bytes, start) >= 0 && Buffer.compare(bytes, end) < 0;
        expect(inside).toBe(bytes.subarray(0, start.length).equals(start));
      }),
    );
  });

  it("is everything for an empty prefix", () => {
    expect(keyRange("")).toEqual({ start: Buffer.from([0]), end: Buffer.from([0]) });
  });
});

it("gives two keys two texts, whatever their bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 4 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      fc.pre(!a.equals(b));
      expect(keyText(a, 0)).not.toBe(keyText(b, 0));
    }),
    { numRuns: 1_000 },
  );
});
