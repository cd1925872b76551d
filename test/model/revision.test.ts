import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareRevisions,
  isRevision,
  laterOf,
  type Revision,
  revision,
  revisionAfter,
} from "../../src/model/revision.ts";

const anyRevision = fc.bigInt({ min: 0n, max: 2n ** 63n - 2n }).map((n) => String(n) as Revision);

describe("a revision", () => {
  it("is decimal text without leading zeros", () => {
    for (const good of ["0", "7", "1042", "9223372036854775807"]) expect(isRevision(good)).toBe(true);
    for (const bad of ["", "01", "-1", "1.0", "1e3", " 1", "12345678901234567890", "now"])
      expect(isRevision(bad)).toBe(false);
    expect(() => revision("now")).toThrow('Cannot read revision: expected a decimal such as 1042, got "now"');
  });

  it("sorts and counts as its number does, beyond what a double holds", () => {
    fc.assert(
      fc.property(anyRevision, anyRevision, (a, b) => {
        const difference = BigInt(a) - BigInt(b);
        expect(Math.sign(compareRevisions(a, b))).toBe(difference > 0n ? 1 : difference < 0n ? -1 : 0);
        expect(laterOf(a, b)).toBe(difference < 0n ? b : a);
        expect(BigInt(revisionAfter(a))).toBe(BigInt(a) + 1n);
      }),
    );
  });
});
