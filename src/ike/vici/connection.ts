import { connect, type Socket } from "node:net";
import { ViciError } from "./error.ts";
import type { Message } from "./message.ts";
import { decodePacket, encodePacket, type Packet } from "./packet.ts";
import { Segments } from "./segments.ts";

/**
 * One connection to charon. It answers one request at a time, in order, so requests queue here; events may come at any
 * time. A call that is not answered in time ends the connection, since what would come after it could not be told from
 * its late answer; so does anything that is no VICI.
 */
export interface ViciConnection {
  /** The answer, whatever it says. Events of `stream` that come before it belong to the call. */
  request(name: string, message?: Message, options?: CallOptions): Promise<Message>;
  /** Hears an event from now on. @throws ViciError UNKNOWN_EVENT where this charon has none of the name */
  register(event: string, hear: (message: Message) => void): Promise<void>;
  unregister(event: string): Promise<void>;
  /** Why it ended; undefined while it goes on. */
  readonly ended: ViciError | undefined;
  /** Called once, when it ends for another reason than `close`. */
  onEnd(hear: (why: ViciError) => void): void;
  close(): void;
}

export interface CallOptions {
  /** How long charon may be silent: until it answers, and between two events of a stream. */
  timeoutMs?: number;
  stream?: { event: string; each(message: Message): void };
}

/** charon answers most calls within a millisecond; what takes this long is stuck, where nothing else is said. */
export const patienceMs = 2_000;

interface Call {
  what: string;
  packet: Buffer;
  timeoutMs: number;
  resolve(answer: Packet): void;
  reject(error: ViciError): void;
}

/** `timeoutMs`: how long charon may be silent, here and in calls that do not say. @throws ViciError AWAY, SILENT */
export function openConnection(path: string, timeoutMs = patienceMs): Promise<ViciConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (error: ViciError) => {
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(new ViciError("SILENT", `Cannot connect to ${path}: expected charon within ${timeoutMs} ms, got none`));
    }, timeoutMs);
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(
        new ViciError("AWAY", `Cannot connect to ${path}: expected charon, got ${cause.code ?? cause.message}`, cause),
      );
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(new SocketConnection(socket, path, timeoutMs));
    });
  });
}

class SocketConnection implements ViciConnection {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #patienceMs: number;
  readonly #segments = new Segments();
  readonly #events = new Map<string, (message: Message) => void>();
  #queue: Call[] = [];
  #current: Call | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended: ViciError | undefined;
  #streams: Promise<unknown> = Promise.resolve();
  #hearEnd: ((why: ViciError) => void)[] = [];

  constructor(socket: Socket, path: string, patienceMs: number) {
    this.#socket = socket;
    this.#path = path;
    this.#patienceMs = patienceMs;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (cause: NodeJS.ErrnoException) => this.#end(this.#away(cause.code ?? cause.message, cause)));
    socket.on("close", () => this.#end(this.#away("the end of the connection")));
  }

  get ended(): ViciError | undefined {
    return this.#ended;
  }

  onEnd(hear: (why: ViciError) => void): void {
    this.#hearEnd.push(hear);
  }

  close(): void {
    this.#hearEnd = [];
    this.#end(new ViciError("AWAY", `Cannot ask ${this.#path}: expected an open connection, got a closed one`));
  }

  async request(name: string, message: Message = {}, options: CallOptions = {}): Promise<Message> {
    const { stream, timeoutMs = this.#patienceMs } = options;
    const ask = () => this.#command(name, message, timeoutMs);
    if (!stream) return ask();
    // One stream at a time: its events say what they are, not whose.
    const turn = this.#streams.then(async () => {
      await this.register(stream.event, stream.each);
      try {
        return await ask();
      } finally {
        if (!this.#ended) await this.unregister(stream.event);
      }
    });
    this.#streams = turn.catch(() => undefined);
    return turn;
  }

  async #command(name: string, message: Message, timeoutMs: number): Promise<Message> {
    const answer = await this.#call(name, { type: "command", name, message }, timeoutMs);
    if (answer.type === "response") return answer.message;
    if (answer.type === "command unknown")
      throw new ViciError("UNKNOWN_COMMAND", `Cannot ${name}: expected a command of charon, got one it does not know`);
    throw this.#strange(answer);
  }

  async register(event: string, hear: (message: Message) => void): Promise<void> {
    this.#events.set(event, hear);
    try {
      await this.#confirm("register", event);
    } catch (error) {
      this.#events.delete(event);
      throw error;
    }
  }

  async unregister(event: string): Promise<void> {
    await this.#confirm("unregister", event);
    this.#events.delete(event);
  }

  async #confirm(type: "register" | "unregister", name: string): Promise<void> {
    const answer = await this.#call(`${type} ${name}`, { type, name }, this.#patienceMs);
    if (answer.type === "confirmed") return;
    if (answer.type === "event unknown")
      throw new ViciError(
        "UNKNOWN_EVENT",
        `Cannot ${type} ${name}: expected an event of charon, got one it does not know`,
      );
    throw this.#strange(answer);
  }

  async #call(what: string, packet: Packet, timeoutMs: number): Promise<Packet> {
    const bytes = encodePacket(packet);
    if (this.#ended) throw this.#ended;
    return new Promise((resolve, reject) => {
      this.#queue.push({ what, packet: bytes, timeoutMs, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#current || this.#ended) return;
    this.#current = this.#queue.shift();
    if (!this.#current) return;
    this.#socket.write(this.#current.packet);
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const call = this.#current;
    if (!call) return;
    this.#timer = setTimeout(() => {
      const expected = `an answer of charon within ${call.timeoutMs} ms`;
      this.#end(new ViciError("SILENT", `Cannot ${call.what}: expected ${expected}, got none`));
    }, call.timeoutMs);
  }

  #take(chunk: Buffer): void {
    try {
      for (const segment of this.#segments.push(chunk)) this.#dispatch(decodePacket(segment));
    } catch (error) {
      this.#end(error instanceof ViciError ? error : this.#away("an error of ours", error));
    }
  }

  #dispatch(packet: Packet): void {
    if (this.#ended) return;
    if (packet.type === "event") {
      this.#wait();
      this.#events.get(packet.name)?.(packet.message);
      return;
    }
    const call = this.#current;
    if (!call) throw this.#strange(packet);
    this.#current = undefined;
    clearTimeout(this.#timer);
    call.resolve(packet);
    this.#next();
  }

  #end(why: ViciError): void {
    if (this.#ended) return;
    this.#ended = why;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    const calls = this.#current ? [this.#current, ...this.#queue] : this.#queue;
    this.#current = undefined;
    this.#queue = [];
    for (const call of calls) call.reject(why);
    for (const hear of this.#hearEnd) hear(why);
  }

  #away(got: string, cause?: unknown): ViciError {
    return new ViciError("AWAY", `Cannot ask ${this.#path}: expected charon's answer, got ${got}`, cause);
  }

  #strange({ type }: Packet): ViciError {
    return new ViciError("MALFORMED", `Cannot ask ${this.#path}: expected the answer to a request, got "${type}"`);
  }
}
