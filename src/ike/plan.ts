import type { Outgoing } from "./outgoing.ts";

/** One thing to tell charon, or the kernel. */
export type Step =
  | { do: "initiate"; child: string }
  /** `abrupt`: without waiting for the peer's word, since there is no peer yet, or not any more at that address. */
  | { do: "end-ike"; id: string; because: IkeEnd; abrupt: boolean }
  | { do: "end-child"; id: string; because: ChildEnd; child: string; leave?: Outgoing[] }
  /**
   * Packets are to leave by this CHILD_SA, whatever is made beside it: the kernel keeps what it has once chosen for a flow
   * as long as that is there.
   */
  | { do: "prefer"; id: string; sa: Outgoing }
  /** Packets are to leave by these no more, now that they leave by another. */
  | { do: "leave"; older: Outgoing[] }
  | { do: "rekey"; id: string; child: string };

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

  decision(): Decision {
    return { steps: this.#steps, ...(this.#again !== undefined && { again: this.#again }) };
  }
}
