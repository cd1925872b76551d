import { type Observable, Subject } from "rxjs";
import type { AgentEvent } from "./event.ts";
import { eventLine, type Recorded } from "./event-line.ts";

/** Numbers events, keeps the last of them, and tells them on. */
export interface History {
  /** The last `count` events, the oldest first; fewer where no more were kept. */
  recent(count: number): readonly Entry[];
  readonly entries$: Observable<Entry>;
  close(): void;
}

export interface Entry extends Recorded {
  /** The JSON line, ending in a newline; made when first asked for, since mostly nobody reads. */
  line(): string;
}

/** 2,000 rows in words are about 1 MB once somebody has read them all. */
const kept = 2_000;

export function keepHistory(events$: Observable<AgentEvent>, capacity = kept): History {
  const ring: Entry[] = [];
  const entries = new Subject<Entry>();
  let seq = 0;

  function take(event: AgentEvent): void {
    seq += 1;
    const entry = entryOf({ seq, time: Date.now(), event });
    ring[(seq - 1) % capacity] = entry;
    entries.next(entry);
  }

  const subscription = events$.subscribe({ next: take, complete: () => entries.complete() });

  return {
    entries$: entries.asObservable(),
    recent(count) {
      const first = Math.max(seq - Math.min(count, ring.length), 0);
      return Array.from({ length: seq - first }, (_, i) => ring[(first + i) % capacity] as Entry);
    },
    close() {
      subscription.unsubscribe();
      entries.complete();
    },
  };
}

function entryOf(recorded: Recorded): Entry {
  let text: string | undefined;
  return {
    ...recorded,
    line() {
      text ??= `${JSON.stringify(eventLine(recorded))}\n`;
      return text;
    },
  };
}
