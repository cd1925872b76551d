import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { mark, type Scope } from "../desired/rows.ts";
import type { Failure } from "../reconcile/kind.ts";
import { NamespaceError, openContainerNamespace } from "./container-namespace.ts";
import type { KernelEvent, NetlinkProtocol } from "./kernel.ts";
import type { Libc } from "./libc.ts";
import { isNamespaceFile } from "./namespace-files.ts";
import { namespacePath } from "./namespace-names.ts";
import { closeQuietly, type NamespaceWindow } from "./namespace-window.ts";
import * as c from "./netlink/constants.ts";
import type { NetlinkIo } from "./netlink/socket.ts";
import type { NftContext } from "./nft-native.ts";

/** A scope as the Worker has it: sockets made inside the namespace and used from outside. */
export interface OpenScope {
  state: "open";
  scope: Scope;
  /** Absent for `host`, whose namespace is this process's for life. */
  path?: string;
  identity: string;
  namespace: number;
  requests: number;
  listeners: Listener[];
  /** Made at the first nft command. */
  nft?: NftContext;
  /** For nftables transactions; opened at the first. */
  filters?: number;
  /** For requests of XFRM; opened at the first, together with a listener. */
  policies?: number;
}

export interface Listener {
  fd: number;
  protocol: NetlinkProtocol;
}

interface ClosedScope {
  state: "closed";
  path: string;
  failure: Failure;
  /** What the path named when opening it failed; another thing there is worth another try. */
  identity: string | undefined;
}

/** Thrown where a scope that cannot be opened is in the way of a command. */
export class ScopeFailure extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.name = "ScopeFailure";
    this.failure = failure;
  }
}

/** Of the thread that asks; /proc/self would be the main thread's. */
const ownNamespace = "/proc/thread-self/ns/net";
const routeGroups = [
  c.RTNLGRP_LINK,
  c.RTNLGRP_NEIGH,
  c.RTNLGRP_IPV4_IFADDR,
  c.RTNLGRP_IPV4_ROUTE,
  c.RTNLGRP_IPV4_NETCONF,
];
/** NFNLGRP_NFTABLES of nfnetlink.h. */
const nftablesGroups = [7];
/** Not acquires: the kernel sets up larval SAs only where somebody listens to those, and that is whoever negotiates. */
const xfrmGroups = [c.XFRMNLGRP_EXPIRE, c.XFRMNLGRP_SA, c.XFRMNLGRP_POLICY];

export interface OpenScopes {
  /** The scope with its sockets, or why it has none. Opens it anew when its path has come to name another namespace. */
  use(scope: Scope): OpenScope | Failure;
  /** The scope's socket for requests of XFRM, whose events are told from now on. Throws where the kernel has no XFRM. */
  policiesOf(open: OpenScope): number;
  /** Looks at every path again: namespaces come and go without a word to those who hold them. */
  sweep(): void;
  forget(scope: Scope): void;
  all(): Iterable<OpenScope>;
}

export function openScopes(
  libc: Libc,
  io: NetlinkIo,
  window: NamespaceWindow,
  directories: readonly string[],
  tell: (event: KernelEvent) => void,
): OpenScopes {
  const scopes = new Map<Scope, OpenScope | ClosedScope>();

  return { use, policiesOf, sweep, forget, all };

  function use(scope: Scope): OpenScope | Failure {
    const known = scopes.get(scope);
    if (!known) return open(scope);
    if (known.path === undefined) return known as OpenScope;
    if (known.identity !== identityOf(known.path)) return reopen(scope, known);
    if (isFree(scope, known)) return open(scope);
    return known.state === "open" ? known : known.failure;
  }

  function reopen(scope: Scope, known: OpenScope | ClosedScope): OpenScope | Failure {
    if (known.state === "open") {
      close(known);
      tell({ type: "vanished", scope });
    }
    const now = open(scope);
    if ("state" in now) tell({ type: "appeared", scope });
    return now;
  }

  function open(scope: Scope): OpenScope | Failure {
    const path = pathOf(scope);
    scopes.delete(scope);
    // Looked at before it is tried: what comes to be there during a try that fails is news to the next sweep.
    const before = path && identityOf(path);
    const fds: number[] = [];
    try {
      const namespace = openNamespace(scope, path);
      fds.push(namespace);
      const identity = identityText(fstatSync(namespace));
      const other = otherName(scope, identity);
      if (other !== undefined) throw taken(scope, other);
      const listen = (protocol: number, groups: readonly number[]) => {
        const fd = io.open(protocol, groups);
        fds.push(fd);
        return fd;
      };
      const sockets = window.inside(namespace, () => ({
        requests: listen(c.NETLINK_ROUTE, []),
        listeners: [
          { fd: listen(c.NETLINK_ROUTE, routeGroups), protocol: "route" as const },
          // A container's nftables are its own affair.
          ...(scope.startsWith("at:")
            ? []
            : [{ fd: listen(c.NETLINK_NETFILTER, nftablesGroups), protocol: "nftables" as const }]),
        ],
      }));
      const opened: OpenScope = { state: "open", scope, identity, namespace, ...sockets, ...(path && { path }) };
      scopes.set(scope, opened);
      return opened;
    } catch (error) {
      for (const fd of fds) closeQuietly(fd);
      const failure = failureOf(scope, error);
      if (path && failure.next === "wait") scopes.set(scope, { state: "closed", path, failure, identity: before });
      return failure;
    }
  }

  function policiesOf(open: OpenScope): number {
    if (open.policies !== undefined) return open.policies;
    const requests = window.inside(open.namespace, () => {
      // Of a try before this one there may be the first of the two.
      if (!open.listeners.some(({ protocol }) => protocol === "xfrm"))
        open.listeners.push({ fd: io.open(c.NETLINK_XFRM, xfrmGroups), protocol: "xfrm" });
      return io.open(c.NETLINK_XFRM, []);
    });
    open.policies = requests;
    return requests;
  }

  /** Whether the other name that was in its way is gone. */
  function isFree(scope: Scope, known: OpenScope | ClosedScope): boolean {
    const isTaken = known.state === "closed" && known.failure.code === "NETNS_TAKEN";
    return isTaken && otherName(scope, known.identity) === undefined;
  }

  /** Where a container's namespace is open already. Two scopes of one would each set right what the other wants. */
  function otherName(scope: Scope, identity: string | undefined): string | undefined {
    if (!scope.startsWith("at:")) return undefined;
    for (const other of all()) {
      if (other.scope === scope || !other.scope.startsWith("at:") || other.identity !== identity) continue;
      // A name that has led there until a moment ago is none.
      if (other.path !== undefined && identityOf(other.path) === identity) return other.path;
    }
    return undefined;
  }

  function openNamespace(scope: Scope, path: string | undefined): number {
    if (path === undefined) return openSync(ownNamespace, "r");
    const mounted = openMounted(scope, path);
    try {
      // A descriptor opened by the path would keep its mount busy, and whoever made the container could not unmount it.
      return window.inside(mounted, () => openSync(ownNamespace, "r"));
    } finally {
      closeSync(mounted);
    }
  }

  function openMounted(scope: Scope, path: string): number {
    if (scope.startsWith("at:")) return openContainerNamespace(libc, path, directories);
    if (!isNamespaceFile(path)) {
      throw new NamespaceError(
        "NETNS_MISSING",
        `Cannot open namespace ${path}: expected a mounted namespace, got none`,
      );
    }
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  }

  function sweep(): void {
    for (const [scope, known] of [...scopes]) {
      if (known.path !== undefined && known.identity !== identityOf(known.path)) reopen(scope, known);
      else if (isFree(scope, known)) {
        // Several names may have waited, some of them wanted no more: who asks first has it.
        scopes.delete(scope);
        tell({ type: "appeared", scope });
      }
    }
  }

  function forget(scope: Scope): void {
    const known = scopes.get(scope);
    scopes.delete(scope);
    if (known?.state !== "open") return;
    close(known);
    sweep();
  }

  function* all(): Iterable<OpenScope> {
    for (const known of scopes.values()) if (known.state === "open") yield known;
  }
}

function close(open: OpenScope): void {
  for (const fd of [open.requests, open.namespace, ...open.listeners.map((listener) => listener.fd)]) closeSync(fd);
  if (open.filters !== undefined) closeSync(open.filters);
  if (open.policies !== undefined) closeSync(open.policies);
  open.nft?.close();
}

function pathOf(scope: Scope): string | undefined {
  if (scope === "host") return undefined;
  if (scope.startsWith("at:")) return scope.slice("at:".length);
  return namespacePath(`${mark.namespace}${scope.slice("net:".length)}`);
}

/** What a path names now. While a namespace is held open the kernel gives its inode number to no other. */
function identityOf(path: string): string | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat && identityText(stat);
  } catch {
    // ENOTDIR, ELOOP, EACCES: nothing there that could be opened.
    return undefined;
  }
}

function identityText({ dev, ino }: { dev: number; ino: number }): string {
  return `${dev}:${ino}`;
}

function taken(scope: Scope, other: string): ScopeFailure {
  const message = `Cannot open namespace ${pathOf(scope)}: expected one of its own, got another name of ${other}`;
  return new ScopeFailure({ code: "NETNS_TAKEN", message, next: "wait" });
}

function failureOf(scope: Scope, error: unknown): Failure {
  if (error instanceof ScopeFailure) return error.failure;
  if (error instanceof NamespaceError) return { code: error.code, message: error.message, next: "wait" };
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  // Vanished between two looks.
  if (code === "ENOENT") return { code: "NETNS_MISSING", message: `Cannot open ${scope}: ${message}`, next: "wait" };
  return { code, message: `Cannot open ${scope}: ${message}`, next: "retry" };
}
