import type { Observable } from "rxjs";
import type { Skip, Underlay } from "../desired/inputs.ts";
import type { PublicKey } from "../desired/rows.ts";
import type { TunnelState } from "../ike/tunnel-state.ts";
import type { CharonState } from "../ike/tunnels.ts";
import type { Checked } from "../ipam/check.ts";
import type { RemovedHost } from "../ipam/remove-host.ts";
import type { NetworkUsage } from "../ipam/usage.ts";
import type { Revision } from "../model/revision.ts";
import type { World } from "../model/world.ts";
import type { FailedRow, Planned } from "../reconcile/engine.ts";
import type { AgentEvent } from "./event.ts";
import type { TunnelCount } from "./tunnel-entries.ts";

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
  /** Absent where the network is not encrypted, or this host takes no part. */
  tunnels?: TunnelCount;
  failed: readonly FailedRow[];
  skipped: readonly Skip[];
}

/** What an agent shows of itself: the API, the CLI and status stand on this and nothing else. */
export interface AgentView {
  readonly host: string;
  readonly version: string;
  /** Milliseconds of the Unix epoch. */
  readonly startedAt: number;
  /** The directory that outlives restarts. */
  readonly state: string;
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
  /** `unneeded` while this host takes part in no encrypted network. */
  charon(): CharonState | { type: "unneeded" };
  /** Every child that charon was told of; never rejects. */
  tunnels(): Promise<readonly TunnelState[]>;
  /** New keys for a tunnel that is up. */
  rekey(peer: string, child: string): void;
  /**
   * Begins to prove this host by another key, or goes on with that; rejects with a Fault where it has none, and with a
   * StoreError.
   */
  rotateKeys(): Promise<KeyRotation>;
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

/** A new key is published beside the old one, and used once every peer has it; then the old one is forgotten. */
export interface KeyRotation {
  from: PublicKey;
  to: PublicKey;
  state: "announced" | "done";
  /** Hosts that do not accept the new key yet. */
  waitingFor: readonly string[];
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
    /** As the host says; absent where it has none to say. */
    tunnels?: TunnelCount;
  }[];
}
