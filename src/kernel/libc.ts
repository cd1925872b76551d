import koffi from "koffi";
import { errnoName } from "./errno.ts";
import { MSG_DONTWAIT, MSG_TRUNC } from "./netlink/constants.ts";

type Bytes = Uint8Array | Int32Array | BigUint64Array;

/** The calls of libc that Node has none for. Each answers what C does; see `checked` for errno. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  send(fd: number, buffer: Bytes, length: number, flags: number): number;
  recv(fd: number, buffer: Bytes, length: number, flags: number): number;
  recvmmsg(fd: number, headers: Bytes, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: Bytes, count: number, flags: number): number;
  poll(fds: Bytes, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  ioctl(fd: number, request: number): number;
  sched_setscheduler(thread: number, policy: number, parameters: Bytes): number;
}

/** Prototypes as in the manual; only integers and pointers to our own buffers cross. */
export function loadLibc(): Libc {
  const libc = koffi.load("libc.so.6");
  return {
    socket: libc.func("int socket(int domain, int type, int protocol)"),
    bind: libc.func("int bind(int fd, const void *address, uint32_t length)"),
    setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, uint32_t length)"),
    send: libc.func("int64_t send(int fd, const void *buffer, size_t length, int flags)"),
    recv: libc.func("int64_t recv(int fd, void *buffer, size_t length, int flags)"),
    recvmmsg: libc.func("int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)"),
    sendmmsg: libc.func("int sendmmsg(int fd, void *headers, unsigned int count, int flags)"),
    poll: libc.func("int poll(void *fds, unsigned long count, int timeout)"),
    eventfd: libc.func("int eventfd(unsigned int initial, int flags)"),
    setns: libc.func("int setns(int fd, int type)"),
    unshare: libc.func("int unshare(int flags)"),
    mount: libc.func(
      "int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)",
    ),
    umount2: libc.func("int umount2(const char *target, int flags)"),
    ioctl: libc.func("int ioctl(int fd, unsigned long request)"),
    sched_setscheduler: libc.func("int sched_setscheduler(int thread, int policy, const void *parameters)"),
  };
}

/** A call that failed: `code` is the errno's name, as on Node's own errors. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`Cannot ${call}: ${code}`);
    this.name = "SystemError";
    this.code = code;
    this.errno = errno;
  }
}

/** The result of a call; throws SystemError where it is negative. `what` reads after "Cannot". */
export function checked(result: number, what: string): number {
  if (result < 0) throw new SystemError(what, lastErrno());
  return result;
}

/** errno of this thread's last call through koffi. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Where a buffer lies, for structures that point at others; the buffer must outlive them. */
export function addressOf(buffer: ArrayBuffer): bigint {
  return BigInt(koffi.address(buffer));
}

// struct mmsghdr of 64 bits: name 8, namelen 4 (+4), iov 8, iovlen 8, control 8, controllen 8, flags 4 (+4), length 4 (+4).
const [mmsghdrBytes, iovecBytes] = [64, 16];
const [nameAt, nameLengthAt, vectorAt, vectorsAt, flagsAt, lengthAt] = [0, 8, 16, 24, 48, 56];

/** Room for so many messages of so many octets, and for an address of `name` octets with each. */
export interface SlotSizes {
  count: number;
  message: number;
  name?: number;
}

/** Messages side by side, for recvmmsg(2) and sendmmsg(2): one call where recv and send take one each. */
export class MessageSlots {
  readonly #libc: Pick<Libc, "recvmmsg" | "sendmmsg">;
  readonly #sizes: Required<SlotSizes>;
  readonly #data: Uint8Array<ArrayBuffer>;
  /** The vectors behind the headers in one buffer: nothing of JavaScript's points at them, so alone they would be freed. */
  readonly #headers: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor(libc: Pick<Libc, "recvmmsg" | "sendmmsg">, { count, message, name = 0 }: SlotSizes) {
    this.#libc = libc;
    this.#sizes = { count, message, name };
    this.#data = new Uint8Array(count * (message + name));
    this.#headers = new Uint8Array(count * (mmsghdrBytes + iovecBytes));
    this.#view = new DataView(this.#headers.buffer);
    const [data, headers] = [addressOf(this.#data.buffer), addressOf(this.#headers.buffer)];
    for (let slot = 0; slot < count; slot++) {
      const [header, vector] = [slot * mmsghdrBytes, this.#vector(slot)];
      this.#view.setBigUint64(vector, data + BigInt(slot * message), true);
      this.#view.setBigUint64(vector + 8, BigInt(message), true);
      if (name > 0) this.#view.setBigUint64(header + nameAt, data + BigInt(this.#name(slot)), true);
      this.#view.setUint32(header + nameLengthAt, name, true);
      this.#view.setBigUint64(header + vectorAt, headers + BigInt(vector), true);
      this.#view.setBigUint64(header + vectorsAt, 1n, true);
    }
  }

  /** Takes what waits, and waits for nothing; answers how many, or less than 0, see `lastErrno`. */
  receive(fd: number): number {
    const { count, name } = this.#sizes;
    // The kernel has written how long names were.
    if (name > 0)
      for (let slot = 0; slot < count; slot++) this.#view.setUint32(slot * mmsghdrBytes + nameLengthAt, name, true);
    return this.#libc.recvmmsg(fd, this.#headers, count, MSG_DONTWAIT, null);
  }

  /** Sends what was put into slots; answers how many of them it came to, or less than 0. */
  send(fd: number, first: number, count: number): number {
    return this.#libc.sendmmsg(fd, this.#headers.subarray(first * mmsghdrBytes), count, MSG_DONTWAIT);
  }

  /** Octets that were received; of one that was too long, those that had room. */
  length(slot: number): number {
    return this.#view.getUint32(slot * mmsghdrBytes + lengthAt, true);
  }

  isTruncated(slot: number): boolean {
    return (this.#view.getUint32(slot * mmsghdrBytes + flagsAt, true) & MSG_TRUNC) !== 0;
  }

  /** What is in a slot until the next call. */
  message(slot: number, length = this.length(slot)): Uint8Array<ArrayBuffer> {
    const at = slot * this.#sizes.message;
    return this.#data.subarray(at, at + length);
  }

  /** Whom it came from, as a socket address. */
  name(slot: number): Uint8Array<ArrayBuffer> {
    const at = this.#name(slot);
    return this.#data.subarray(at, at + this.#sizes.name);
  }

  put(slot: number, message: Uint8Array, name: Uint8Array): void {
    this.#data.set(message, slot * this.#sizes.message);
    this.#data.set(name, this.#name(slot));
    this.#view.setBigUint64(this.#vector(slot) + 8, BigInt(message.length), true);
  }

  #vector(slot: number): number {
    return this.#sizes.count * mmsghdrBytes + slot * iovecBytes;
  }

  /** Names are behind all messages. */
  #name(slot: number): number {
    return this.#sizes.count * this.#sizes.message + slot * this.#sizes.name;
  }
}
