import { once } from "node:events";
import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openApi } from "../../src/observe/api.ts";
import { fakeView } from "./fake-view.ts";
import { serving } from "./serving.ts";

const here = serving();

describe("the socket", () => {
  it("is for its owner and group, in a directory made for it", async () => {
    await here.serve();
    expect(statSync(here.path).mode & 0o7777).toBe(0o660);
  });

  it("takes the place of one that a killed agent left", async () => {
    mkdirSync(dirname(here.path));
    const server = createServer().listen(here.path);
    await once(server, "listening");
    // As kill -9 leaves it, the file is there and nobody listens: a server that closes removes only the name it knows.
    renameSync(here.path, `${here.path}.kept`);
    server.close();
    await once(server, "close");
    renameSync(`${here.path}.kept`, here.path);
    await here.serve(fakeView());
    expect(await here.ask("GET /v1/ready")).toMatchObject({ status: 200 });
  });

  it("is left to an agent that answers", async () => {
    await here.serve(fakeView());
    await expect(openApi({ path: here.path, left: here.left })).rejects.toMatchObject({
      code: "TAKEN",
      message: expect.stringContaining(`Cannot listen on ${here.path}: expected no agent there, got one that answers`),
    });
    expect(await here.ask("GET /v1/ready")).toMatchObject({ status: 200 });
  });

  it("never takes the place of another file", async () => {
    const path = join(here.directory, "precious");
    writeFileSync(path, "data");
    await expect(openApi({ path, left: here.left })).rejects.toMatchObject({ code: "NO_SOCKET" });
    expect(statSync(path).size).toBe(4);
  });
});
