import type { IEvent } from "etcd3";
import { describe, expect, it } from "vitest";
import type { Revision } from "../../src/model/revision.ts";
import { afterEvents, afterProgress, type Position } from "../../src/store/position.ts";

const at: Position = { cluster: "1", next: "8" as Revision, seen: "7" as Revision };

function event(type: IEvent["type"], key: string, mod_revision: string): IEvent {
  const kv = {
    key: Buffer.from(key),
    value: Buffer.from(""),
    create_revision: "1",
    mod_revision,
    version: "1",
    lease: "0",
  };
  return { type, kv, prev_kv: kv };
}

describe("how far a watch is", () => {
  it("is behind the last event, and the last put is what it can be recognised by", () => {
    expect(afterEvents(at, [event("Put", "a", "9"), event("Put", "b", "12"), event("Delete", "a", "13")])).toEqual({
      cluster: "1",
      next: "14",
      seen: "13",
      witness: { key: Buffer.from("b"), revision: "12" },
    });
  });

  it("keeps its witness over deletes", () => {
    const witness = { key: Buffer.from("w"), revision: "5" as Revision };
    expect(afterEvents({ ...at, witness }, [event("Delete", "a", "9")])).toMatchObject({ next: "10", witness });
  });

  it("moves with progress only when that is sure, and never back", () => {
    expect(afterProgress(at, "20" as Revision, true)).toEqual({ ...at, next: "21", seen: "20" });
    expect(afterProgress(at, "20" as Revision, false)).toEqual({ ...at, seen: "20" });
    expect(afterProgress(at, "3" as Revision, true)).toEqual(at);
  });
});
