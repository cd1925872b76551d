import type { Cipher } from "../desired/backends/esp.ts";
import type { Essential } from "../kernel/essentials.ts";
import type { NetworkEntry, StatusAnswer } from "../observe/answers.ts";

/** What could not be read, and why: a judgement is not to take it for absent. */
export interface Unread {
  unread: string;
}

export type Read<T> = T | Unread;

export function isUnread<T extends object>(found: Read<T>): found is Unread {
  return "unread" in found;
}

export type AgentFound =
  | { state: "none" | "starting"; why: string }
  | { state: "running"; status: StatusAnswer; networks: readonly NetworkEntry[] };

export interface PrivilegesFound {
  uid: number;
  /** CapEff of /proc/self/status, as in capabilities(7). */
  capabilities: bigint;
}

export interface KernelFound {
  release: string;
  essentials: Read<{ has: readonly Essential[] }>;
  ipsec: Read<{ missing: readonly string[]; ciphers: readonly Cipher[] }>;
  /** Whether /lib/modules has those of this release, and whether any can be loaded. */
  modules: { present: boolean; locked: boolean };
}

export interface CharonFound {
  /** Where charon-systemd is; absent where it is not installed. */
  binary?: string;
  /** Of the package's tools, which are of the same release; they can be asked without a daemon. */
  installed?: string;
  socket: string;
  vici: { answers: true; version: string; plugins: readonly string[] } | { answers: false; why: string };
}

export interface Process {
  pid: number;
  name: string;
}

/** A bound UDP port. Without an owner the kernel holds it: a tunnel device. */
export interface BoundPort {
  port: number;
  owner?: Process;
}

export interface PortsFound {
  bound: readonly BoundPort[];
  /** Who listens at Skein's VICI socket. */
  charon?: Process;
}

/** There is none, or it has no address: an agent would not start. */
export interface NoUnderlay {
  missing: string;
}

export interface UnderlayFound {
  dev: string;
  mtu: number;
  /** The larger of the interface's and that of all, which is what counts. */
  rpFilter: number;
}

export interface ForwardingFound {
  ipForward: boolean;
  /** Chains of others that drop what no rule of theirs accepts, as in `ip filter FORWARD`. */
  dropping: readonly string[];
  /** Whether one of their rules names our uplinks. */
  accepts: boolean;
  /** Whether Docker's own chain for rules of the operator's is there. */
  dockerUser: boolean;
}

export interface NeighboursFound {
  entries: number;
  /** Of those: permanent ones, which do not count against the limit. */
  permanent: number;
  limit: number;
  /** How often there was no room for one since the boot. */
  refused: number;
}

export interface ConntrackFound {
  count: number;
  limit: number;
}

export interface EtcdFound {
  endpoints: readonly ({ endpoint: string; version: string } | { endpoint: string; why: string })[];
  /** As in NOSPACE, CORRUPT. */
  alarms: readonly string[];
}

export interface ClockFound {
  isSynchronised: boolean;
  /** The kernel's own estimate of how far it may be off. */
  errorMs: number;
}

export interface StateFound {
  path: string;
  directory?: { mode: number; uid: number; isVolatile: boolean };
  /** Private keys and secrets, those that can be seen. */
  secrets: readonly { path: string; mode: number; uid: number }[];
  /** Why others cannot be. */
  unseen?: string;
}

export interface DescriptorsFound {
  open: number;
  limit: number;
}
