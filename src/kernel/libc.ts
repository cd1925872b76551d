import koffi from "koffi";
import { errnoName } from "./errno.ts";

type Bytes = Uint8Array | Int32Array | BigUint64Array;

/** The calls of libc that Node has none for. Each answers what C does; see `checked` for errno. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  send(fd: number, buffer: Bytes, length: number, flags: number): number;
  recv(fd: number, buffer: Bytes, length: number, flags: number): number;
  recvmmsg(fd: number, headers: Bytes, count: number, flags: number, timeout: null): number;
  poll(fds: Bytes, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  ioctl(fd: number, request: number): number;
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
    poll: libc.func("int poll(void *fds, unsigned long count, int timeout)"),
    eventfd: libc.func("int eventfd(unsigned int initial, int flags)"),
    setns: libc.func("int setns(int fd, int type)"),
    unshare: libc.func("int unshare(int flags)"),
    mount: libc.func(
      "int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)",
    ),
    umount2: libc.func("int umount2(const char *target, int flags)"),
    ioctl: libc.func("int ioctl(int fd, unsigned long request)"),
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
