import { describe, expect, it } from "vitest";
import type { RecordKey } from "../../src/model/keys.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import { eventLine } from "../../src/observe/event-line.ts";
import { eventSchema } from "../../src/observe/event-schema.ts";
import { events } from "./example-events.ts";
import { route } from "./fake-view.ts";

const time = Date.parse("2026-01-02T03:04:05.678Z");

describe("event lines", () => {
  it.each(events.map((event): [string, AgentEvent] => [event.type, event]))("of sort %s fit the schema", (_, event) => {
    const line = eventLine({ seq: 1, time, event });
    // Strict: a field that the schema does not know would reach readers undocumented.
    const option = eventSchema.options.find(({ shape }) => shape.type.value === line.type);
    expect(option?.strict().safeParse(line).error).toBeUndefined();
    expect(JSON.parse(JSON.stringify(line))).toEqual(line);
  });

  it("cover every sort but the stream's own", () => {
    const sorts = new Set(events.map((event) => eventLine({ seq: 1, time, event }).type));
    const known = new Set(eventSchema.options.map(({ shape }) => shape.type.value));
    expect([...known].filter((sort) => !sorts.has(sort))).toEqual(["dropped"]);
  });

  it("are flat, with the row in words and the cause as a record's key", () => {
    const cause = { key: "keyspaces/blue/blocks/10.42.118.0-26" as RecordKey, revision: "1042", at: 5 };
    expect(eventLine({ seq: 7, time, event: { type: "added", row: route, cause, ms: 1.23456 } })).toEqual({
      seq: 7,
      time: "2026-01-02T03:04:05.678Z",
      type: "added",
      kind: "route",
      scope: "net:blue",
      key: "10.42.118.0/26",
      text: "route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue",
      because: ["keyspaces/blue/blocks/10.42.118.0-26", "networks/blue"],
      cause: { key: "keyspaces/blue/blocks/10.42.118.0-26", revision: "1042" },
      ms: 1.235,
    });
  });

  it("tell a record that has an effect again from one that has none", () => {
    const key = "networks/red" as RecordKey;
    expect(eventLine({ seq: 1, time, event: { type: "skipped", key } })).toMatchObject({
      type: "admitted",
      record: key,
    });
  });
});
