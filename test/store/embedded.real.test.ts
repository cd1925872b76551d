import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../src/store/client.ts";
import { type EmbeddedEvent, startEmbedded } from "../../src/store/embedded.ts";
import { freePort } from "./etcd.ts";
import { mirror } from "./mirror.ts";

describe("an etcd of one's own", () => {
  let directory: string;
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), `skein-own-${process.pid}-`)), "etcd");
  });
  afterEach(() => rmSync(join(directory, ".."), { recursive: true }));

  it("keeps its data over a stop, in a directory that is nobody else's", async () => {
    for (const expected of [undefined, "1"]) {
      const own = await startEmbedded({ directory });
      const client = connect({ endpoints: [own.endpoint] });
      expect((await client.get("kept"))?.value.toString()).toBe(expected);
      await client.put("kept", "1");
      client.close();
      await own.stop();
    }
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it("answers on loopback as well when given a port", async () => {
    const port = await freePort();
    const own = await startEmbedded({ directory, port });
    const client = connect({ endpoints: [`http://127.0.0.1:${port}`] });
    expect(await client.get("x")).toBeUndefined();
    client.close();
    await own.stop();
  });

  it("is started again when it dies, and watches go on", async () => {
    const events: EmbeddedEvent[] = [];
    const own = await startEmbedded({ directory, tell: (event) => events.push(event) });
    const client = connect({ endpoints: [own.endpoint] });
    const seen = mirror(client, "a/");
    await seen.next("fresh");
    const [up] = events;
    if (up?.type !== "up") throw new Error("expected it to be up");
    process.kill(up.pid, "SIGKILL");
    await seen.next("stale");
    await seen.next("fresh", seen.log.length);
    await client.put("a/after", "1");
    await seen.until(() => seen.keys.has("a/after"));
    expect(events.map(({ type }) => type)).toEqual(["up", "down", "up"]);
    expect(events[1]).toMatchObject({ why: expect.stringContaining("SIGKILL") });
    client.close();
    await own.stop();
  });

  it("names the Debian package when there is no etcd", async () => {
    const { PATH } = process.env;
    process.env.PATH = "/nowhere";
    try {
      await expect(startEmbedded({ directory })).rejects.toThrow(
        /expected etcd in PATH, got none\..*apt-get install etcd-server/,
      );
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("says what etcd said when it does not start", async () => {
    const own = await startEmbedded({ directory });
    const port = await freePort();
    const other = await startEmbedded({ directory: `${directory}-2`, port });
    await expect(startEmbedded({ directory: `${directory}-3`, port })).rejects.toThrow(/address already in use/);
    await Promise.all([own.stop(), other.stop()]);
  });

  it("refuses a directory too long for a socket", async () => {
    await expect(startEmbedded({ directory: `/tmp/${"x".repeat(100)}` })).rejects.toThrow(RangeError);
  });
});
