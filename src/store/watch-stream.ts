import type { IDuplexStream, IEvent, IWatchRequest, IWatchResponse } from "etcd3";
import type { Revision } from "../model/revision.ts";
import type { Client } from "./client.ts";
import { StoreError, storeError } from "./failure.ts";
import type { KeyRange } from "./key-range.ts";
import { liveness } from "./liveness.ts";
import { type Heard, read } from "./wire.ts";

/** Why a watch ended. */
export type Ending =
  | { type: "lost"; error: StoreError }
  /** It stands, but etcd is ahead of what came over it. */
  | { type: "deaf"; why: string }
  /** What should follow is no longer kept. */
  | { type: "compacted"; oldest: Revision }
  /** Refused: etcd 3.4 says `permission denied` for an expired token, too. */
  | { type: "canceled"; reason: string }
  /** Another cluster answers than the one that was listed. */
  | { type: "foreign"; why: string };

/** What a watch passes on; fragments of one revision arrive here as one. */
export type Told = Extract<Heard, { type: "created" | "progress" }> | { type: "events"; events: IEvent[] };

export interface WatchOptions {
  range: KeyRange;
  from: Revision;
  cluster: string;
  quietMs: number;
  answerMs: number;
  tell(told: Told): void;
  /** Asked when the stream does not answer: why it must be deaf, or `undefined` if there was nothing to hear. */
  missed(): Promise<string | undefined>;
}

export interface WatchStream {
  readonly ended: Promise<Ending>;
  /** Asks how far the watch is; answered by `progress`, or not at all by an etcd that is not past `from`. */
  ask(): void;
  /** Ends it as `lost`, with an error `closed`. */
  close(): void;
}

/** One watch on a gRPC stream of its own, so that its end concerns nobody else. */
export function openWatch(client: Client, options: WatchOptions): WatchStream {
  const { promise: ended, resolve: end } = Promise.withResolvers<Ending>();
  let stream: IDuplexStream<IWatchRequest, IWatchResponse> | undefined;
  let open = true;
  let created = false;
  let fragments: IEvent[] = [];
  let heardAt = 0;

  const alive = liveness({
    quietMs: options.quietMs,
    answerMs: options.answerMs,
    ask: () => stream?.write({ progress_request: {} }),
    doubt: () => void doubt(),
  });
  const finish = (ending: Ending) => {
    if (!open) return;
    open = false;
    alive.stop();
    // Cancelled without being ended, a stream makes etcd3 drop the connection it came over: right for a deaf one only,
    // since other watches share it.
    if (!isDeaf(ending)) stream?.end();
    stream?.cancel();
    end(ending);
  };
  const lost = (cause: unknown) => finish({ type: "lost", error: storeError("watch", cause) });

  async function doubt(): Promise<void> {
    if (!created) return lost(new StoreError("unavailable", "Cannot watch: expected an answer, got none"));
    const before = heardAt;
    try {
      const why = await options.missed();
      if (!open || heardAt !== before) return;
      if (why !== undefined) finish({ type: "deaf", why });
      else alive.heard();
    } catch (cause) {
      lost(cause);
    }
  }

  function take(response: IWatchResponse): void {
    if (!open) return;
    alive.heard();
    heardAt = performance.now();
    const heard = read(response);
    switch (heard.type) {
      case "compacted":
      case "canceled":
        finish(heard);
        break;
      case "created":
        created = true;
        if (heard.cluster === options.cluster) options.tell(heard);
        else finish({ type: "foreign", why: `cluster ${options.cluster} was followed, and ${heard.cluster} answers` });
        break;
      case "progress":
        options.tell(heard);
        break;
      case "events":
        takeEvents(heard.events, heard.partial);
        break;
    }
  }

  function takeEvents(events: IEvent[], partial: boolean): void {
    if (!partial && fragments.length === 0) {
      options.tell({ type: "events", events });
      return;
    }
    fragments.push(...events);
    if (partial) return;
    const whole = fragments;
    fragments = [];
    options.tell({ type: "events", events: whole });
  }

  client.etcd.watchClient.watch().then((opened) => {
    stream = opened;
    stream
      .on("data", take)
      .on("error", lost)
      .on("end", () => lost(new StoreError("unavailable", "Cannot watch: expected the stream to stay, got its end")));
    if (!open) {
      stream.end();
      stream.cancel();
      return;
    }
    stream.write({
      create_request: {
        key: options.range.start,
        range_end: options.range.end,
        start_revision: options.from,
        progress_notify: true,
        fragment: true,
      },
    });
  }, lost);
  return { ended, ask: () => stream?.write({ progress_request: {} }), close: () => lost(closed()) };
}

function isDeaf(ending: Ending): boolean {
  return ending.type === "deaf" || (ending.type === "lost" && ending.error.code !== "closed");
}

function closed(): StoreError {
  return new StoreError("closed", "Cannot watch: expected to go on, got closed");
}
