import type { Observable } from "rxjs";
import type { Skip, Underlay } from "../desired/inputs.ts";
import type { Checked } from "../ipam/check.ts";
import type { RemovedHost } from "../ipam/remove-host.ts";
import type { NetworkUsage } from "../ipam/usage.ts";
import type { Revision } from "../model/revision.ts";
import type { World } from "../model/world.ts";
import type { FailedRow, Planned } from "../reconcile/engine.ts";
import type { AgentEvent } from "./event.ts";

/** How far one network of this host is. */
export interface NetworkState {
  net: string;
  /** Whether this host takes part, and where. */
  member: { address: string; mac: string } | undefined;
  /** The revision up to which every record of the network has been seen. */
  observed: Revision;
  /** The revision up to which the kernel holds what the records say; behind `observed` while rows wait or fail. */
  converged: Revision;
  rows: number;
  /** Below which names are answered here, and whether they are; absent where this host takes no part. */
  names?: { domain: string; serving: boolean };
  failed: readonly FailedRow[];
  skipped: readonly Skip[];
}

/** What an agent shows of itself: the API, the CLI and status stand on this and nothing else. */
export interface AgentView {
  readonly host: string;
  readonly version: string;
  /** Milliseconds of the Unix epoch. */
  readonly startedAt: number;
  readonly world: World;
  readonly events$: Observable<AgentEvent>;
  underlay(): Underlay;
  etcd(): { endpoints: readonly string[]; prefix: string; embedded: boolean; staleSince?: number; why?: string };
  /** True once everything declared was applied, failed with a retry set, or held, for the first time. */
  ready(): boolean;
  networks(): readonly NetworkState[];
  /** Records rejected as they stand now. */
  rejected(): readonly { key: string; revision: string; code: string; reason: string }[];
  /** Why removals are held, or undefined. */
  braked(): { removals: number; rows: number; why: string } | undefined;
  plan(): readonly Planned[];
  /** Hosts whose agents live, as etcd has it now; rejects with a StoreError while it is away. */
  alive(): Promise<ReadonlySet<string>>;
  /** Lets go of what the brake holds; how many removals that is. */
  release(): number;
  /** How addresses are used, of one network or of all; rejects with a StoreError. */
  usage(net?: string): Promise<NetworkUsage[]>;
  /** What is not as it should be with addresses, and after `repair` what was; rejects with a StoreError. */
  check(net: string | undefined, repair: boolean, signal: AbortSignal): Promise<Checked[]>;
  /** Removes another host that is gone for good; rejects with a StoreError. */
  removeHost(host: string): Promise<RemovedHost>;
  /** Removes every row and record of this host's, then ends the agent. */
  leave(): Promise<void>;
  /**
   * Waits until every host of the network has converged to `revision`, or to what etcd holds now.
   * Resolves with the hosts that have not when `signal` aborts.
   */
  wait(net: string, revision: Revision | "now", signal: AbortSignal): Promise<WaitResult>;
}

export interface WaitResult {
  converged: boolean;
  /** What was waited for. */
  revision: Revision;
  hosts: readonly {
    host: string;
    converged: Revision | undefined;
    alive: boolean;
    waiting: number;
    failed: readonly string[];
  }[];
}
