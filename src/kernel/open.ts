import { closeSync, writeSync } from "node:fs";
import { extname } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { Subject } from "rxjs";
import type { Command, CommandName, Commands, Post, WorkerOptions } from "./commands.ts";
import type { Kernel, KernelEvent, KernelOptions } from "./kernel.ts";
import { namedNamespaces } from "./namespace-names.ts";

/** `.ts` when run from source, `.js` when built. */
const workerFile = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
/** The id of the Worker's first post, which answers with the descriptor that wakes it. */
const hello = 0;

interface Caller {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Starts the Worker and waits until it is ready. Rejects where koffi or libc cannot be loaded. */
export async function openKernel(options: KernelOptions = {}): Promise<Kernel> {
  const callers = new Map<number, Caller>();
  let nextId = hello + 1;
  let isClosed = false;
  let commands: Command[] = [];
  let transfers: ArrayBuffer[] = [];
  const events = new Subject<KernelEvent>();
  const { port1: port, port2 } = new MessageChannel();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WorkerOptions = {
    port: port2,
    stop: stop.buffer,
    namespaceDirectories: options.namespaceDirectories ?? [namedNamespaces],
    eventBufferBytes: options.eventBufferBytes ?? 16 * 1024 * 1024,
  };
  const greeting = new Promise<unknown>((resolve, reject) => callers.set(hello, { resolve, reject }));
  const worker = new Worker(workerFile, {
    workerData,
    transferList: [port2],
    // This process's own may be fit for its main script only, as --input-type is.
    execArgv: [],
    // Descriptors made by libc and closed by fs are none of its business; it would warn at each.
    trackUnmanagedFds: false,
  });
  let wakeDescriptor: number | undefined;
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  port.on("message", receive);
  worker.on("error", (cause) => die(new Error("Cannot go on without the kernel's Worker: it threw", { cause })));
  worker.on("exit", () => {
    if (!isClosed) die(new Error("Cannot go on without the kernel's Worker: it has ended"));
    end(new Error("Cannot call the kernel: it is closed"));
    // Not by the Worker, which may see the flag before it is woken, and another file would then have that number.
    if (wakeDescriptor !== undefined) closeSync(wakeDescriptor);
    wakeDescriptor = undefined;
  });

  wakeDescriptor = (await greeting) as number;
  const one = new Uint8Array(new BigUint64Array([1n]).buffer);
  // process.exit waits for the Worker, which may be asleep in poll(): it must be woken, and find the flag when it wakes.
  process.on("exit", wakeToStop);

  return {
    events$: events,
    batch: (scope, messages, { protocol = "route", references = [] } = {}) =>
      call("batch", { scope, messages, protocol, references }, [messages.buffer]),
    dump: (scope, request, protocol = "route") => call("dump", { scope, request, protocol }),
    nft: (scope, commands, { json = false } = {}) => call("nft", { scope, commands, json }),
    nftElements: (scope, transaction) => call("nftElements", { scope, transaction }, [transaction.buffer]),
    readSysctls: (scope, names) => call("readSysctls", { scope, names }),
    writeSysctls: (scope, settings) => call("writeSysctls", { scope, settings }),
    openSocket: (scope, transport, address, port) => call("openSocket", { scope, transport, address, port }),
    createNamespace: (name) => call("createNamespace", { name }),
    deleteNamespace: (name) => call("deleteNamespace", { name }),
    listNamespaces: () => call("listNamespaces", {}),
    probe: (trials) => call("probe", { trials }),
    forget: (scope) => call("forget", { scope }),
    async close() {
      if (!isClosed) await Promise.allSettled([call("listNamespaces", {})]);
      if (!isClosed) wakeToStop();
      isClosed = true;
      await ended;
    },
  };

  function call<N extends CommandName>(
    name: N,
    args: Commands[N]["takes"],
    transfer: ArrayBuffer[] = [],
  ): Promise<Commands[N]["gives"]> {
    return new Promise((resolve, reject) => {
      if (isClosed) throw new Error(`Cannot ${name}: expected an open kernel, got a closed one`);
      const id = nextId++;
      callers.set(id, { resolve: resolve as Caller["resolve"], reject });
      commands.push({ id, name, args } as Command);
      transfers.push(...transfer);
      // One message for all that is asked in a turn: to wake a thread that sleeps takes 0.1 ms.
      if (commands.length === 1) process.nextTick(send);
    });
  }

  function send(): void {
    port.postMessage(commands, transfers);
    commands = [];
    transfers = [];
    wake();
  }

  function receive(post: Post): void {
    for (const event of post.events) events.next(event);
    for (const answer of post.answers) {
      const caller = callers.get(answer.id);
      callers.delete(answer.id);
      if ("error" in answer) caller?.reject(answer.error);
      else caller?.resolve(answer.value);
    }
  }

  function wake(): void {
    if (wakeDescriptor !== undefined) writeSync(wakeDescriptor, one);
  }

  function wakeToStop(): void {
    Atomics.store(stop, 0, 1);
    wake();
  }

  /** Before it is open the caller hears of it; after, nobody could go on: rows stay, and a new process adopts them. */
  function die(error: Error): void {
    const isOpen = !callers.has(hello);
    end(error);
    if (isOpen) throw error;
  }

  function end(error: Error): void {
    isClosed = true;
    process.off("exit", wakeToStop);
    for (const { reject } of callers.values()) reject(error);
    callers.clear();
    port.close();
    events.complete();
  }
}
