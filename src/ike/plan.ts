import type { Outgoing } from "./outgoing.ts";

/** One thing to tell charon, or the kernel. */
export type Step =
  /** `instead`: of the CHILD_SA that it is to follow, which stays until it has. */
  | { do: "initiate"; child: string; instead?: string }
  /** `abrupt`: without waiting for the peer's word, since there is no peer yet, or not any more at that address. */
  | { do: "end-ike"; id: string; because: IkeEnd; abrupt: boolean; isAgain?: boolean }
  | { do: "end-child"; id: string; because: ChildEnd; child: string; leave?: Outgoing[] }
  /**
   * Packets are to leave by this CHILD_SA, whatever is made beside it: the kernel keeps what it has once chosen for a flow
   * as long as that is there.
   */
  | { do: "prefer"; id: string; sa: Outgoing }
  /** Packets are to leave by these no more, now that they leave by another. */
  | { do: "leave"; older: Outgoing[] }
  | { do: "rekey"; id: string; child: string }
  /** Tells charon the same connection as another one, so that it makes another IKE_SA, and what stands moves there. */
  | { do: "retell" };

export type ChildEnd = "unwanted" | "replaced" | "duplicate" | "lost";

export type IkeEnd =
  | "unwanted"
  | "late"
  | "duplicate"
  | "replaced"
  /** It may not stay, and nothing came to replace it. */
  | "revoked";

export interface Decision {
  steps: Step[];
  /** When to look again, if nothing happens before. */
  again?: number;
}

/** Between looks for what nobody tells of, at first; they come further and further apart. */
const lookMs = 250;

/** What is decided at one moment. */
export class Plan {
  readonly now: number;
  readonly #steps: Step[] = [];
  #again: number | undefined;

  constructor(now: number) {
    this.now = now;
  }

  add(step: Step): void {
    this.#steps.push(step);
  }

  /** Whether the time has come; if not, there is another look then. */
  isDue(at: number): boolean {
    if (at <= this.now) return true;
    this.#again = Math.min(this.#again ?? at, at);
    return false;
  }

  /** For what has not come since then, and may at any time. */
  lookAgain(since: number): void {
    this.isDue(this.now + Math.max(lookMs, (this.now - since) / 2));
  }

  decision(): Decision {
    return { steps: this.#steps, ...(this.#again !== undefined && { again: this.#again }) };
  }
}
