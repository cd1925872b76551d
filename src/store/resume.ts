import type { Verdict } from "./check.ts";
import type { FailureCode, StoreError } from "./failure.ts";
import { type Listing, startListing } from "./list.ts";
import type { Position } from "./position.ts";
import type { Ending } from "./watch-stream.ts";

/** What a list-watch does next. */
export type Step =
  | { do: "list"; listing: Listing }
  /** Before a watch is opened again: is it still the history that was followed? */
  | { do: "check"; at: Position }
  | { do: "watch"; at: Position };

/** How a step ended. */
export type Outcome =
  | { type: "listed"; at: Position }
  | { type: "checked"; verdict: Verdict; at: Position }
  | { type: "watched"; ending: Ending; at: Position }
  | { type: "failed"; error: StoreError };

export interface Next {
  step: Step;
  /** `short` grows from 0.1 to 5 s as long as nothing succeeds; `long` is for what only a person can mend. */
  pause: "none" | "short" | "long";
  /** Why what was told may be out of date; absent when it is not. */
  stale?: { code: FailureCode; why: string };
  /** Set when history was rewritten. */
  doubt?: string;
}

/** The policy in one place: after every outcome, what then. `undefined` ends the list-watch. */
export function nextStep(step: Step, outcome: Outcome): Next | undefined {
  switch (outcome.type) {
    case "listed":
      return { step: { do: "watch", at: outcome.at }, pause: "none" };
    case "checked":
      return outcome.verdict.type === "same"
        ? { step: { do: "watch", at: outcome.at }, pause: "none" }
        : rewritten(outcome.verdict.why);
    case "watched":
      return afterWatch(outcome.ending, outcome.at);
    case "failed":
      return afterFailure(step, outcome.error);
  }
}

function afterWatch(ending: Ending, at: Position): Next | undefined {
  switch (ending.type) {
    case "lost": {
      const { code, message } = ending.error;
      return code === "closed"
        ? undefined
        : { step: { do: "check", at }, pause: "short", stale: { code, why: message } };
    }
    case "deaf":
      return { step: { do: "check", at }, pause: "short", stale: { code: "unavailable", why: ending.why } };
    case "canceled":
      // The check says whether it is the token, which it renews, or the role.
      return {
        step: { do: "check", at },
        pause: "short",
        stale: { code: "refused", why: `etcd ended the watch: ${ending.reason}` },
      };
    case "compacted": {
      const why = `expected changes from revision ${at.next} on, got none before ${ending.oldest}: etcd has compacted them`;
      // Not at once: an etcd that compacts faster than we list would be listed in a tight loop.
      return { step: { do: "list", listing: startListing(false) }, pause: "short", stale: { code: "compacted", why } };
    }
    case "foreign":
      return rewritten(ending.why);
  }
}

function afterFailure(step: Step, { code, message }: StoreError): Next | undefined {
  const stale = { code, why: message };
  switch (code) {
    case "closed":
      return undefined;
    case "compacted":
      return { step: { do: "list", listing: startListing(isRewritten(step)) }, pause: "short", stale };
    case "future":
      return { ...rewritten(message), pause: "short", stale };
    case "denied":
    case "refused":
      return { step, pause: "long", stale };
    case "unauthenticated":
    case "unavailable":
      return { step, pause: "short", stale };
  }
}

function rewritten(why: string): Next {
  return { step: { do: "list", listing: startListing(true) }, pause: "none", doubt: why };
}

function isRewritten(step: Step): boolean {
  return step.do === "list" && step.listing.rewritten;
}
