import type { TunnelDriver } from "./driver.ts";
import type { Choice, Outgoing } from "./outgoing.ts";
import type { Memory } from "./peer.ts";
import type { Step } from "./plan.ts";
import { childrenOf } from "./sa.ts";
import { Turnstile } from "./turnstile.ts";
import { ask } from "./vici/commands.ts";
import type { ViciConnection } from "./vici/connection.ts";
import { ViciError } from "./vici/error.ts";
import type { ViciLink } from "./vici/link.ts";
import { hearLine, type Watched } from "./watched.ts";

/** What charon is told; the kernel is told the rest. */
type Told = Exclude<Step, { do: "prefer" | "leave" }>;

/** Telling charon of connections is the driver's. */
export type Retelling = Pick<TunnelDriver, "anew" | "retell">;

/** Does what was decided. It waits for charon's answer to be told, never for a peer. */
export class Doer {
  readonly #link: () => Pick<ViciLink, "commands" | "long">;
  readonly #choice: Choice | undefined;
  readonly #driver: Retelling;
  readonly #wake: (watched: Watched) => void;
  readonly #initiations = new Turnstile();

  /**
   * `wake` asks for another look, since what was done may be followed by no event. Without `choice` SAs are not in the
   * kernel, or nobody's to choose from.
   */
  constructor(
    link: () => Pick<ViciLink, "commands" | "long">,
    choice: Choice | undefined,
    driver: Retelling,
    wake: (watched: Watched) => void,
  ) {
    this.#link = link;
    this.#choice = choice;
    this.#driver = driver;
    this.#wake = wake;
  }

  /** An initiation is done when its turn comes, which is not waited for. @throws ViciError where charon went away */
  async take(watched: Watched, step: Step): Promise<void> {
    if (step.do === "initiate") return this.#initiate(watched, step);
    if (step.do === "prefer") return this.#choice?.prefer(step.sa);
    if (step.do === "leave") return this.#leave(step.older);
    if (step.do === "end-child") await this.#leave(step.leave ?? []);
    await this.#tell(watched, step, this.#link().commands());
    this.#wake(watched);
  }

  async #leave(sas: readonly Outgoing[]): Promise<void> {
    await Promise.all(sas.map((sa) => this.#choice?.leave(sa)));
  }

  /** What waits for its turn is not begun any more: charon went away. */
  forget(all: Iterable<Watched>): void {
    this.#initiations.clear();
    for (const { memory } of all) if (memory.attempt?.at === undefined) memory.attempt = undefined;
  }

  #initiate(watched: Watched, step: Step & { do: "initiate" }): void {
    const { memory } = watched;
    const { child, instead } = step;
    const attempt: NonNullable<Memory["attempt"]> = { child, ...(instead !== undefined && { instead }) };
    memory.attempt = attempt;
    const failures = Math.max(memory.failing.get("")?.attempt ?? 0, memory.failing.get(child)?.attempt ?? 0);
    // What stands can wait for what does not.
    this.#initiations.pass(instead === undefined ? failures : Number.POSITIVE_INFINITY, async () => {
      // Of a charon that was.
      if (memory.attempt !== attempt) return;
      attempt.at = performance.now();
      attempt.known = new Set(childrenOf(watched.sas).map(({ id }) => id));
      try {
        await this.#tell(watched, step, this.#link().long());
      } catch (error) {
        if (!(error instanceof ViciError)) throw error;
        memory.attempt = undefined;
      }
      attempt.answeredAt = performance.now();
      this.#wake(watched);
    });
  }

  /** A refusal is one of charon's words. */
  async #tell(watched: Watched, step: Told, connection: ViciConnection): Promise<void> {
    try {
      if (step.do === "initiate" && step.instead !== undefined) await this.#driver.anew(watched.conn, step.child);
      if (step.do === "retell") await this.#driver.retell(watched.conn);
      else await tell(connection, watched.conn, step);
    } catch (error) {
      if (!(error instanceof ViciError && error.code === "REFUSED")) throw error;
      hearLine(watched, error.message, performance.now());
    }
  }
}

/** Without waiting until it is done. */
async function tell(connection: ViciConnection, conn: string, step: Exclude<Told, { do: "retell" }>): Promise<void> {
  const quietly = { timeout: "-1", loglevel: "-1" } as const;
  switch (step.do) {
    case "initiate":
      await ask(connection, "initiate", { ike: conn, child: step.child, ...quietly });
      return;
    case "rekey":
      await ask(connection, "rekey", { "child-id": step.id });
      return;
    case "end-child":
      await ask(connection, "terminate", { "child-id": step.id, ...quietly });
      return;
    case "end-ike":
      await ask(connection, "terminate", { "ike-id": step.id, ...(step.abrupt && { force: "yes" }), ...quietly });
  }
}
