import type { Observable } from "rxjs";
import type { Scope } from "../desired/rows.ts";
import type { Ip } from "../model/address.ts";
import type { Failure } from "../reconcile/kind.ts";

/** What a call into a scope came to: its value, or why the whole call could not be made. */
export type Answer<T> = { ok: true; value: T } | { ok: false; failure: Failure };

/** One answer a message, in the order of the batch. */
export interface BatchReply {
  /** 0 for success, else the positive errno. */
  errnos: Int32Array;
  /** What the kernel said in words (extended ACK), by index in the batch; few errors carry any. */
  texts: ReadonlyMap<number, string>;
}

/** Four bytes of a batch that hold a descriptor of the scope's namespace, which only the Worker has. */
export interface NamespaceReference {
  at: number;
  scope: Scope;
}

/** Requests by other ways have methods of their own. */
export type RequestProtocol = Exclude<NetlinkProtocol, "nftables">;

export interface BatchOptions {
  /** Default `route`. */
  protocol?: RequestProtocol;
  /** Where descriptors of other scopes' namespaces belong; they are opened if need be. */
  references?: readonly NamespaceReference[];
}

/** One request of a probe: a netlink message, or nft commands, which are one transaction. */
export type Trial =
  | { protocol: RequestProtocol; message: Uint8Array<ArrayBuffer> }
  | { protocol: "nftables"; commands: string };

export interface NftReply {
  /** 0 when the whole command buffer was applied: it is one transaction. */
  status: number;
  output: string;
  error: string;
}

/** Whom a request is for, and what tells of changes: the kernel's protocols of netlink that we speak. */
export type NetlinkProtocol = "route" | "xfrm" | "nftables";

/** What happened in a scope without being asked for, in the order it happened. */
export type KernelEvent =
  /** Raw netlink notifications, one or several messages; without the keys of SAs, which stay in the Worker. */
  | { type: "messages"; scope: Scope; protocol: NetlinkProtocol; bytes: Uint8Array }
  /** The event socket overflowed: list again. */
  | { type: "lost"; scope: Scope; protocol: NetlinkProtocol }
  /** The scope's path names a namespace that was not there before, or another one: nothing known of it holds. */
  | { type: "appeared"; scope: Scope }
  /** The scope's namespace is gone, and so is all that was in it. */
  | { type: "vanished"; scope: Scope };

/**
 * The host's kernel, through one Worker thread that makes every call synchronously: a send waits for the kernel's RTNL
 * lock, up to hundreds of milliseconds, which the main thread must not.
 *
 * Calls are carried out in the order they are made, over all scopes. `events$` emits what happened before a `batch`'s
 * end before its promise resolves, and what happened before a `dump`'s beginning before that one resolves; what follows
 * comes later. So the last event of an object is never older than an answer that came before it.
 *
 * The first call into a scope opens it (sockets, event groups); a path that comes to name another namespace is opened
 * anew by itself. XFRM is for the host's scope alone, and told of from the first request on. Failures of a scope, all `next: "wait"`: `NETNS_MISSING`, `NETNS_FORBIDDEN`, and `NETNS_TAKEN` where another
 * path leads to the same namespace and was opened first.
 */
export interface Kernel {
  readonly events$: Observable<KernelEvent>;
  /**
   * Sends netlink requests, concatenated; the flag NLM_F_REQUEST is the caller's, sequence and ACK are not. The buffer
   * is given away.
   */
  batch(scope: Scope, messages: Uint8Array<ArrayBuffer>, options?: BatchOptions): Promise<Answer<BatchReply>>;
  /** One dump request; answers the messages of a dump that no change interrupted, concatenated, without NLMSG_DONE. */
  dump(scope: Scope, request: Uint8Array<ArrayBuffer>, protocol?: RequestProtocol): Promise<Answer<Uint8Array>>;
  /** Runs nft commands in one transaction; `json` wants JSON in `output`. */
  nft(scope: Scope, commands: string, options?: { json?: boolean }): Promise<Answer<NftReply>>;
  /** One nftables transaction as netlink messages, from batch begin to batch end; answers its errno, 0 when it was applied. */
  nftElements(scope: Scope, transaction: Uint8Array<ArrayBuffer>): Promise<Answer<number>>;
  /** Values by dotted name, trimmed, in order; `undefined` where there is no such file. Interface names may hold dots
   * as slashes, as in sysctl(8): `net.ipv4.conf.eth0/5.forwarding`. */
  readSysctls(scope: Scope, names: readonly string[]): Promise<Answer<(string | undefined)[]>>;
  writeSysctls(
    scope: Scope,
    settings: readonly (readonly [name: string, value: string])[],
  ): Promise<Answer<(Failure | undefined)[]>>;
  /**
   * A socket bound inside the scope, to be used from this process's own namespace: its descriptor, which is the caller's
   * to close. The address need not be there yet. A descriptor held keeps a deleted namespace alive.
   */
  openSocket(scope: Scope, transport: "udp" | "tcp", address: Ip, port: number): Promise<Answer<number>>;
  /** Makes `/run/netns/<name>` as `ip netns add` does, with `lo` up; one that exists already is success. */
  createNamespace(name: string): Promise<Answer<void>>;
  /** Closes what is open inside, then unmounts and unlinks; one that is gone already is success. */
  deleteNamespace(name: string): Promise<Answer<void>>;
  /** Names of namespaces under /run/netns, files that are none left out. */
  listNamespaces(): Promise<string[]>;
  /** Closes what is open in a scope; its events end. A descriptor held keeps a deleted namespace alive. */
  forget(scope: Scope): Promise<void>;
  /**
   * Makes each trial in turn, all in one namespace that nobody else sees and that is gone afterwards; answers why each
   * failed, by the errno's name, `undefined` where it did not. The kernel loads modules for them where it can.
   */
  probe(trials: readonly Trial[]): Promise<Answer<(string | undefined)[]>>;
  /** Ends the Worker; calls under way are answered first. */
  close(): Promise<void>;
}

export interface KernelOptions {
  /** Directories whose namespaces an `at:` scope may name. Default `/run/netns`. */
  namespaceDirectories?: readonly string[];
  /** Room for notifications not yet read, in bytes; one takes about 830. Default 16 MiB, which the kernel doubles. */
  eventBufferBytes?: number;
}
