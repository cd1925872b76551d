import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Liveness, liveness } from "../../src/store/liveness.ts";

describe("the liveness of a stream", () => {
  let said: string[];
  let stream: Liveness;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    said = [];
    stream = liveness({
      quietMs: 5_000,
      answerMs: 3_000,
      ask: () => said.push("ask"),
      doubt: () => said.push("doubt"),
    });
  });
  afterEach(() => {
    stream.stop();
    vi.useRealTimers();
  });

  it("is in doubt when not even the first answer comes", () => {
    vi.advanceTimersByTime(2_999);
    expect(said).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said).toEqual(["doubt"]);
  });

  it("is asked after silence, and in doubt without an answer", () => {
    stream.heard();
    vi.advanceTimersByTime(5_000);
    expect(said).toEqual(["ask"]);
    vi.advanceTimersByTime(3_000);
    expect(said).toEqual(["ask", "doubt"]);
  });

  it("is not asked while it talks, and asked again after each answer", () => {
    stream.heard();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(4_000);
      stream.heard();
    }
    expect(said).toEqual([]);
    vi.advanceTimersByTime(5_000);
    stream.heard();
    vi.advanceTimersByTime(5_000);
    expect(said).toEqual(["ask", "ask"]);
  });

  it("says nothing once stopped", () => {
    stream.heard();
    stream.stop();
    vi.advanceTimersByTime(60_000);
    expect(said).toEqual([]);
  });

  it("goes on after a doubt that was unfounded", () => {
    vi.advanceTimersByTime(3_000);
    stream.heard();
    vi.advanceTimersByTime(8_000);
    expect(said).toEqual(["doubt", "ask", "doubt"]);
  });
});
