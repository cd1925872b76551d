import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Client, openDatagrams } from "../../src/dns/datagrams.ts";
import { checked, loadLibc } from "../../src/kernel/libc.ts";
import { eventually } from "../eventually.ts";

const libc = loadLibc();
const [AF_INET, SOCK_DGRAM] = [2, 2];

/** A socket of loopback as the kernel has it, and its port. */
function serverSocket(): { fd: number; port: number } {
  const fd = checked(libc.socket(AF_INET, SOCK_DGRAM, 0), "open socket");
  onTestFinished(() => closeSync(fd));
  for (let port = 20_000 + (process.pid % 10_000); ; port++) {
    const address = Uint8Array.of(AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    if (libc.bind(fd, address, address.length) === 0) return { fd, port };
  }
}

async function client(): Promise<{ socket: Socket; port: number; heard: string[] }> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  const heard: string[] = [];
  socket.on("message", (message) => void heard.push(String(message)));
  return { socket, port: socket.address().port, heard };
}

const sendAll = (socket: Socket, messages: readonly (string | Buffer)[], port: number) =>
  Promise.all(messages.map((each) => new Promise((sent) => socket.send(each, port, "127.0.0.1", sent))));
const never = () => expect.unreachable();
const isOpen = () => true;

test("each is answered to whom it came from, however many wait", async () => {
  const { fd, port } = serverSocket();
  const [one, two] = [await client(), await client()];
  const questions = Array.from({ length: 70 }, (_, n) => `${n} ${"x".repeat(n)}`);
  await sendAll(one.socket, questions, port);
  await sendAll(two.socket, ["short"], port);
  const served: string[] = [];
  openDatagrams(libc).drain({
    fd,
    serve: (message) => {
      served.push(String(message));
      return Buffer.from(`answer to ${message}`);
    },
    late: never,
    isOpen,
  });
  expect(served).toEqual([...questions, "short"]);
  const answers = (texts: readonly string[]) => texts.map((text) => `answer to ${text}`);
  await eventually(() => expect(one.heard).toEqual(answers(questions)));
  await eventually(() => expect(two.heard).toEqual(answers(["short"])));
});

test("what deserves no answer gets none, what is too long is none, and what comes later knows whom it is for", async () => {
  const { fd, port } = serverSocket();
  const { socket, port: own, heard } = await client();
  await sendAll(socket, ["silence", Buffer.alloc(5000), "later", "now"], port);
  const kept: Buffer[] = [];
  const late: [Promise<Buffer | undefined>, Client][] = [];
  openDatagrams(libc).drain({
    fd,
    serve: (message) => {
      kept.push(message);
      if (String(message) === "later") return Promise.resolve(message);
      return String(message) === "now" ? message : undefined;
    },
    late: (...each) => void late.push(each),
    isOpen,
  });
  // Copies: what was read first is still what it was.
  expect(kept.map(String)).toEqual(["silence", "later", "now"]);
  expect(late.map(([, to]) => to)).toEqual([{ address: "127.0.0.1", port: own }]);
  expect(String(await late[0]?.[0])).toBe("later");
  await eventually(() => expect(heard).toEqual(["now"]));
});

test("an answer that cannot be sent holds up no other", async () => {
  const { fd, port } = serverSocket();
  const { socket, heard } = await client();
  await sendAll(socket, ["a", "b", "c"], port);
  const failing = { ...libc, sendmmsg: vi.fn(libc.sendmmsg).mockReturnValueOnce(-1) };
  openDatagrams(failing).drain({ fd, serve: (message) => message, late: never, isOpen });
  await eventually(() => expect(heard).toEqual(["b", "c"]));
});

test("a socket that is closed by what it is asked is not touched any more", async () => {
  const { fd, port } = serverSocket();
  const { socket, heard } = await client();
  await sendAll(socket, ["a", "b"], port);
  const served: string[] = [];
  const watched = { ...libc, sendmmsg: vi.fn(libc.sendmmsg) };
  const serve = (message: Buffer) => {
    served.push(String(message));
    return message;
  };
  openDatagrams(watched).drain({ fd, serve, late: never, isOpen: () => served.length === 0 });
  expect(served).toEqual(["a"]);
  expect(watched.sendmmsg).not.toHaveBeenCalled();
  expect(heard).toEqual([]);
});

test("with nothing there nothing happens", () => {
  openDatagrams(libc).drain({ fd: serverSocket().fd, serve: never, late: never, isOpen });
});
