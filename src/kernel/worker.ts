import { closeSync, openSync, readSync } from "node:fs";
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Scope } from "../desired/rows.ts";
import { boundSocket } from "./bound-socket.ts";
import type { Command, CommandAnswer, CommandName, Commands, Post, WorkerOptions } from "./commands.ts";
import { errnoName } from "./errno.ts";
import type { Answer, KernelEvent, RequestProtocol, Trial } from "./kernel.ts";
import { checked, loadLibc, SystemError } from "./libc.ts";
import { createNamespaceFile, deleteNamespaceFile, listNamespaceFiles } from "./namespace-files.ts";
import { namespacePath } from "./namespace-names.ts";
import { closeQuietly, namespaceWindow } from "./namespace-window.ts";
import * as c from "./netlink/constants.ts";
import { setLinkUp } from "./netlink/link-messages.ts";
import { withoutKeys } from "./netlink/sa-messages.ts";
import { netlinkIo } from "./netlink/socket.ts";
import { loadNft, type NftContext } from "./nft-native.ts";
import { type Listener, type OpenScope, openScopes, ScopeFailure } from "./open-scopes.ts";
import { readSysctl, writeSysctl } from "./proc-sys.ts";

/**
 * The thread that makes every call into the kernel. Its loop never returns to Node's event loop: it sleeps in poll(),
 * takes commands with receiveMessageOnPort, and always with a finite timeout, since a thread that blocks for ever inside
 * a native call makes the whole process immortal (process.exit waits for its threads).
 */
const pollMs = 1000;

const { port, stop, namespaceDirectories, eventBufferBytes } = workerData as WorkerOptions;
const stopFlag = new Int32Array(stop);
const libc = loadLibc();
const io = netlinkIo(libc, eventBufferBytes);
const window = namespaceWindow(libc);
/** What happened, in order, until the next post, and the answers that it happened before. */
let events: KernelEvent[] = [];
let answers: CommandAnswer[] = [];
let heldSince = 0;
/** Scopes that were written to since the last post. */
const touched = new Set<OpenScope>();
const scopes = openScopes(libc, io, window, namespaceDirectories, (event) => events.push(event));
let makeNft: (() => NftContext) | undefined;

const wake = checked(libc.eventfd(0, 0x80800), "make eventfd");
/** poll() says POLLPRI whenever a mount changes, and a named namespace comes and goes as a mount. */
const mounts = openSync("/proc/self/mountinfo", "r");
const counter = new Uint8Array(8);

type Handlers = { [N in CommandName]: (args: Commands[N]["takes"]) => Commands[N]["gives"] };

const handlers: Handlers = {
  batch: ({ scope, messages, protocol, references }) =>
    inScope(scope, (open) => {
      const view = new DataView(messages.buffer);
      for (const { at, scope: other } of references) view.setInt32(at, used(other).namespace, true);
      touched.add(open);
      return io.batch(requestsOf(open, protocol), messages);
    }),
  dump: ({ scope, request, protocol }) =>
    inScope(scope, (open) => {
      const fd = requestsOf(open, protocol);
      drain(open);
      const found = io.dump(fd, request);
      return protocol === "xfrm" ? withoutKeys(found) : found;
    }),
  nft: ({ scope, commands, json }) =>
    inScope(scope, (open) =>
      withEvents(open, () =>
        window.inside(open.namespace, () => {
          makeNft ??= loadNft();
          open.nft ??= makeNft();
          return open.nft.run(commands, json);
        }),
      ),
    ),
  nftElements: ({ scope, transaction }) =>
    inScope(scope, (open) => {
      makeNft ??= loadNft();
      open.filters ??= window.inside(open.namespace, () => io.open(c.NETLINK_NETFILTER, []));
      touched.add(open);
      return io.transact(open.filters, transaction);
    }),
  readSysctls: ({ scope, names }) =>
    inScope(scope, (open) => {
      drain(open);
      return window.inside(open.namespace, () => names.map(readSysctl));
    }),
  writeSysctls: ({ scope, settings }) =>
    inScope(scope, (open) =>
      withEvents(open, () =>
        window.inside(open.namespace, () => settings.map(([name, value]) => writeSysctl(name, value))),
      ),
    ),
  openSocket: ({ scope, transport, address, port }) =>
    inScope(scope, (open) => window.inside(open.namespace, () => boundSocket(libc, transport, address, port))),
  createNamespace: ({ name }) =>
    answered(() => {
      createNamespaceFile(libc, window, name, () => {
        const socket = io.open(c.NETLINK_ROUTE, []);
        io.batch(socket, setLinkUp(1));
        closeSync(socket);
      });
      scopes.sweep();
    }),
  deleteNamespace: ({ name }) =>
    answered(() => {
      const path = namespacePath(name);
      for (const open of [...scopes.all()]) if (open.path === path) scopes.forget(open.scope);
      deleteNamespaceFile(libc, name);
      scopes.sweep();
    }),
  listNamespaces: listNamespaceFiles,
  probe: ({ trials }) => answered(() => window.insideNew(() => trials.map(attempt))),
  forget: ({ scope }) => {
    scopes.forget(scope);
    return undefined;
  },
};

/** Commands that write rows; what they come to is told when a row of them is done. */
const writes: ReadonlySet<CommandName> = new Set(["batch", "nftElements"]);
/** No answer waits longer than this for others. */
const holdMs = 1;

answers.push({ id: 0, value: wake });
post();
while (Atomics.load(stopFlag, 0) === 0) turn();
for (const open of [...scopes.all()]) scopes.forget(open.scope);
closeSync(mounts);
port.close();

function turn(): void {
  const listeners = [...scopes.all()].flatMap((open) => open.listeners.map((listener) => ({ open, listener })));
  const fds = [wake, mounts, ...listeners.map(({ listener }) => listener.fd)];
  const polled = new Int32Array(fds.length * 2);
  fds.forEach((fd, index) => {
    polled[index * 2] = fd;
    polled[index * 2 + 1] = fd === mounts ? c.POLLPRI : c.POLLIN;
  });
  const isQuiet = libc.poll(polled, fds.length, pollMs) === 0;
  const isReady = (index: number) => (polled[index * 2 + 1] ?? 0) >>> 16 !== 0;
  listeners.forEach(({ open, listener }, index) => {
    if (isReady(index + 2)) drainOne(open, listener);
  });
  if (isQuiet || isReady(1)) scopes.sweep();
  if (events.length > 0) post();
  if (!isReady(0)) return;
  readSync(wake, counter);
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
    for (const command of next.message as Command[]) obey(command);
  settle();
}

function obey(command: Command): void {
  const isWrite = writes.has(command.name);
  if (!isWrite) settle();
  if (answers.length === 0) heldSince = performance.now();
  try {
    const handler = handlers[command.name] as (args: Command["args"]) => unknown;
    answers.push({ id: command.id, value: handler(command.args) });
  } catch (error) {
    answers.push({ id: command.id, error: error as Error });
  }
  if (!isWrite || performance.now() - heldSince > holdMs) settle();
}

/** Tells what was done: the echo of our own writes, and whatever came before their end, before their answers. */
function settle(): void {
  if (answers.length === 0) return;
  for (const open of scopes.all()) if (touched.has(open)) drain(open);
  touched.clear();
  post();
}

function post(): void {
  port.postMessage(
    { events, answers } satisfies Post,
    events.flatMap((event) => (event.type === "messages" ? [event.bytes.buffer as ArrayBuffer] : [])),
  );
  events = [];
  answers = [];
}

function inScope<T>(scope: Scope, work: (open: OpenScope) => T): Answer<T> {
  return answered(() => work(used(scope)));
}

function requestsOf(open: OpenScope, protocol: RequestProtocol): number {
  return protocol === "xfrm" ? scopes.policiesOf(open) : open.requests;
}

/** In the thread's present namespace: why it fails, `undefined` where it does not. */
function attempt(trial: Trial): string | undefined {
  if (trial.protocol === "nftables") {
    makeNft ??= loadNft();
    const nft = makeNft();
    const { status } = nft.run(trial.commands, false);
    nft.close();
    return status === 0 ? undefined : "EOPNOTSUPP";
  }
  let socket: number | undefined;
  try {
    socket = io.open(trial.protocol === "xfrm" ? c.NETLINK_XFRM : c.NETLINK_ROUTE, []);
    const [errno = 0] = io.batch(socket, trial.message).errnos;
    return errno === 0 ? undefined : errnoName(errno);
  } catch (error) {
    if (error instanceof SystemError) return error.code;
    throw error;
  } finally {
    closeQuietly(socket);
  }
}

function used(scope: Scope): OpenScope {
  const open = scopes.use(scope);
  if ("state" in open) return open;
  throw new ScopeFailure(open);
}

/** What the kernel refuses as a whole is a failure to answer with; anything else thrown is a bug. */
function answered<T>(work: () => T): Answer<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    if (error instanceof ScopeFailure) return { ok: false, failure: error.failure };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { ok: false, failure: { code, message, next: "retry" } };
  }
}

/** The echo of our own work, and whatever came before its end, is told before its answer. */
function withEvents<T>(open: OpenScope, work: () => T): T {
  const value = work();
  drain(open);
  return value;
}

function drain(open: OpenScope): void {
  for (const listener of open.listeners) drainOne(open, listener);
}

function drainOne({ scope }: OpenScope, { fd, protocol }: Listener): void {
  const { bytes: heard, lost } = io.drain(fd);
  const bytes = protocol === "xfrm" ? withoutKeys(heard) : heard;
  if (bytes.length > 0) events.push({ type: "messages", scope, protocol, bytes });
  if (lost) events.push({ type: "lost", scope, protocol });
}
