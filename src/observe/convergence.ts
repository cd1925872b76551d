import { compareRevisions, type Revision } from "../model/revision.ts";

export interface ConvergenceOptions {
  /** What has been seen of each network, and wished, by now. */
  observed(): ReadonlyMap<string, Revision>;
  /** Resolves when what has been wished by now is applied, failed with a retry set, or held. */
  settled(): Promise<void>;
  /** Whether something of the network has failed, or is held: then it has not converged. */
  troubled(net: string): boolean;
  changed(nets: readonly string[]): void;
}

/** Which revision of each network the kernel holds. */
export interface Convergence {
  /** Something was seen or applied: look again. */
  review(): void;
  of(net: string): Revision | undefined;
}

/** At most one look is under way; what comes meanwhile makes it look once more. */
export function createConvergence({ observed, settled, troubled, changed }: ConvergenceOptions): Convergence {
  const converged = new Map<string, Revision>();
  let state: "idle" | "looking" | "again" = "idle";

  function review(): void {
    if (state !== "idle") {
      state = "again";
      return;
    }
    state = "looking";
    void look();
  }

  async function look(): Promise<void> {
    const seen = new Map(observed());
    await settled();
    const moved = [...seen].filter(([net, revision]) => advance(net, revision)).map(([net]) => net);
    for (const net of converged.keys()) if (!seen.has(net)) converged.delete(net);
    if (moved.length > 0) changed(moved);
    const again = state === "again";
    state = "idle";
    if (again) review();
  }

  function advance(net: string, revision: Revision): boolean {
    if (troubled(net)) return false;
    const before = converged.get(net);
    // Not only forward: an etcd restored to an older state has older revisions, and they are the truth then.
    if (before !== undefined && compareRevisions(before, revision) === 0) return false;
    converged.set(net, revision);
    return true;
  }

  return { review, of: (net) => converged.get(net) };
}
