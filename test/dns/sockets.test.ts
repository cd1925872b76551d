import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { Frames, frame } from "../../src/dns/frames.ts";
import { converse } from "../../src/dns/sockets.ts";

/** A stream that is served, and the client's end of it. */
async function stream(serve: Parameters<typeof converse>[1]) {
  const listener = createServer((connection) => void converse(connection, serve).catch(() => {})).listen(
    0,
    "127.0.0.1",
  );
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const end = () => {
    socket.destroy();
    listener.close();
  };
  return { socket, end };
}

test("questions of one connection are answered in their order, whatever pieces they come in", async () => {
  const { socket, end } = await stream(async (message) => message);
  const sent = Array.from({ length: 50 }, (_, n) => Buffer.from(`question ${n}`));
  const bytes = Buffer.concat(sent.map(frame));
  for (let at = 0; at < bytes.length; at += 7) socket.write(bytes.subarray(at, at + 7));
  const frames = new Frames();
  const heard: string[] = [];
  for await (const part of socket) {
    heard.push(...[...frames.take(part)].map(String));
    if (heard.length === sent.length) break;
  }
  expect(heard).toEqual(sent.map(String));
  end();
});

test("a client that does not read is not read: what waits for it is bounded", async () => {
  let served = 0;
  const { socket, end } = await stream(() => {
    served++;
    return Buffer.alloc(60_000);
  });
  socket.pause();
  const questions = Buffer.concat(Array.from({ length: 5_000 }, () => frame(Buffer.alloc(20))));
  socket.write(questions);
  let before = -1;
  // Until it stands still: nothing is served any more while nothing is read.
  while (served !== before) {
    before = served;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(served).toBeGreaterThan(0);
  expect(served).toBeLessThan(2_000);
  end();
});
