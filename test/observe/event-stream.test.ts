import { Subject } from "rxjs";
import { expect, it } from "vitest";
import type { AgentEvent } from "../../src/observe/event.ts";
import type { EventLine } from "../../src/observe/event-schema.ts";
import { eventStream } from "../../src/observe/event-stream.ts";
import { keepHistory } from "../../src/observe/history.ts";

const left = (n: number): AgentEvent => ({ type: "released", removals: n });

async function linesOf(stream: AsyncIterable<string>): Promise<EventLine[]> {
  let text = "";
  for await (const part of stream) text += part;
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

it("keeps the last events and numbers them all", () => {
  const events$ = new Subject<AgentEvent>();
  const history = keepHistory(events$, 3);
  expect(history.recent(5)).toEqual([]);
  for (let n = 1; n <= 7; n++) events$.next(left(n));
  expect(history.recent(2).map(({ seq }) => seq)).toEqual([6, 7]);
  expect(history.recent(100).map(({ seq }) => seq)).toEqual([5, 6, 7]);
  expect(history.recent(0)).toEqual([]);
});

it("begins with the past and goes on with the present, without a gap", async () => {
  const events$ = new Subject<AgentEvent>();
  const history = keepHistory(events$);
  for (let n = 1; n <= 3; n++) events$.next(left(n));
  const stream = eventStream(history, { recent: 2, follow: true });
  for (let n = 4; n <= 5; n++) events$.next(left(n));
  history.close();
  expect((await linesOf(stream)).map(({ seq }) => seq)).toEqual([2, 3, 4, 5]);
});

it("ends with the past where nobody follows", async () => {
  const events$ = new Subject<AgentEvent>();
  const history = keepHistory(events$);
  events$.next(left(1));
  const stream = eventStream(history, { recent: 9, follow: false });
  events$.next(left(2));
  expect(await linesOf(stream)).toHaveLength(1);
});

it("bounds what it keeps for a slow reader, and says how much was left out", async () => {
  const events$ = new Subject<AgentEvent>();
  const history = keepHistory(events$);
  const stream = eventStream(history, { recent: 0, follow: true, highWaterMark: 10_000 });
  for (let n = 1; n <= 5_000; n++) events$.next(left(n));
  expect(stream.readableLength).toBeLessThan(10_200);
  const lines: EventLine[] = [];
  for await (const part of stream) {
    for (const line of String(part).split("\n").filter(Boolean)) lines.push(JSON.parse(line));
    if (lines.at(-1)?.type === "dropped") history.close();
  }
  const dropped = lines.at(-1);
  expect(dropped).toMatchObject({ type: "dropped", seq: 5_000 });
  expect(lines.length - 1 + (dropped?.type === "dropped" ? dropped.count : 0)).toBe(5_000);
});

it("lets go of history when the reader goes", () => {
  const events$ = new Subject<AgentEvent>();
  const history = keepHistory(events$);
  const stream = eventStream(history, { recent: 0, follow: true });
  stream.destroy();
  events$.next(left(1));
  expect(stream.readableLength).toBe(0);
});
