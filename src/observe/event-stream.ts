import { Readable } from "node:stream";
import { droppedLine } from "./event-line.ts";
import type { Entry, History } from "./history.ts";

/**
 * Bytes kept for one reader that does not keep up: some 10,000 rows, which is a large host's start. What comes while they
 * are full is counted and left out, so that a reader that hangs costs the agent no more than this.
 */
const bound = 4 << 20;

export interface EventStreamOptions {
  /** So many of the past begin it. */
  recent: number;
  /** Whether each follows as it happens, until the stream is destroyed or history ends. */
  follow: boolean;
  /** Bytes kept for the reader. */
  highWaterMark?: number;
}

/** Events as JSON lines. */
export function eventStream(history: History, options: EventStreamOptions): Readable {
  const { recent, follow, highWaterMark = bound } = options;
  let full = false;
  let dropped = 0;
  let last: Entry | undefined;

  const push = (entry: Entry): void => {
    last = entry;
    if (full) dropped += 1;
    else full = !stream.push(entry.line());
  };
  const stream = new Readable({
    highWaterMark,
    encoding: "utf8",
    read() {
      full = false;
      if (dropped === 0 || last === undefined) return;
      const { seq, time } = last;
      const count = dropped;
      dropped = 0;
      full = !stream.push(`${JSON.stringify(droppedLine(seq, time, count))}\n`);
    },
    destroy(error, done) {
      subscription?.unsubscribe();
      done(error);
    },
  });
  for (const entry of history.recent(recent)) push(entry);
  const end = () => void stream.push(null);
  const subscription = follow ? history.entries$.subscribe({ next: push, complete: end }) : undefined;
  if (!follow) end();
  return stream;
}
