import { describe, expect, it } from "vitest";
import type { Revision } from "../../src/model/revision.ts";
import { StoreError } from "../../src/store/failure.ts";
import { startListing } from "../../src/store/list.ts";
import type { Position } from "../../src/store/position.ts";
import { nextStep, type Outcome, type Step } from "../../src/store/resume.ts";
import type { Ending } from "../../src/store/watch-stream.ts";

const at: Position = { cluster: "1", next: "8" as Revision, seen: "7" as Revision };
const watch: Step = { do: "watch", at };
const check: Step = { do: "check", at };
const failed = (code: StoreError["code"]): Outcome => ({ type: "failed", error: new StoreError(code, "why") });
const watched = (ending: Ending): Outcome => ({ type: "watched", ending, at });

describe("after a watch", () => {
  it("checks the history before it watches again, unless it must list", () => {
    const lost = new StoreError("unavailable", "cut");
    expect(nextStep(watch, watched({ type: "lost", error: lost }))).toMatchObject({
      step: check,
      pause: "short",
      stale: { why: "cut" },
    });
    expect(nextStep(watch, watched({ type: "deaf", why: "deaf" }))).toMatchObject({
      step: check,
      stale: { why: "deaf" },
    });
    expect(nextStep(watch, watched({ type: "canceled", reason: "denied" }))).toMatchObject({ step: check });
  });

  it("lists again when what follows was compacted, with a pause, and trusts what it knows", () => {
    expect(nextStep(watch, watched({ type: "compacted", oldest: "20" as Revision }))).toEqual({
      step: { do: "list", listing: startListing(false) },
      pause: "short",
      stale: {
        code: "compacted",
        why: "expected changes from revision 8 on, got none before 20: etcd has compacted them",
      },
    });
  });

  it("doubts another cluster", () => {
    expect(nextStep(watch, watched({ type: "foreign", why: "another" }))).toMatchObject({
      step: { do: "list", listing: { rewritten: true } },
      doubt: "another",
    });
  });
});

describe("after a check", () => {
  it("watches on in the same history, and tells everything anew in another", () => {
    const same: Outcome = { type: "checked", verdict: { type: "same", revision: "9" as Revision }, at };
    expect(nextStep(check, same)).toEqual({ step: watch, pause: "none" });
    expect(nextStep(check, { type: "checked", verdict: { type: "rewritten", why: "older" }, at })).toMatchObject({
      step: { do: "list", listing: { rewritten: true } },
      pause: "none",
      doubt: "older",
    });
  });
});

describe("after a failure", () => {
  it("goes on with the same step, slowly where only a person can help", () => {
    const listing = { ...startListing(false), cursor: { after: Buffer.from("k"), revision: "5" as Revision } };
    const list: Step = { do: "list", listing };
    expect(nextStep(list, failed("unavailable"))).toMatchObject({ step: list, pause: "short" });
    expect(nextStep(list, failed("unauthenticated"))).toMatchObject({ step: list, pause: "short" });
    expect(nextStep(list, failed("denied"))).toMatchObject({ step: list, pause: "long" });
    expect(nextStep(check, failed("refused"))).toMatchObject({ step: check, pause: "long" });
  });

  it("begins a list anew when its revision is gone, and does not forget that history was rewritten", () => {
    for (const rewritten of [false, true]) {
      const list: Step = { do: "list", listing: startListing(rewritten) };
      expect(nextStep(list, failed("compacted"))).toMatchObject({ step: { do: "list", listing: { rewritten } } });
    }
    expect(nextStep({ do: "list", listing: startListing(false) }, failed("future"))).toMatchObject({
      step: { listing: { rewritten: true } },
      doubt: "why",
    });
  });

  it("ends with the client", () => {
    expect(nextStep(check, failed("closed"))).toBeUndefined();
    expect(nextStep(watch, watched({ type: "lost", error: new StoreError("closed", "") }))).toBeUndefined();
  });
});
