import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fakeView } from "../observe/fake-view.ts";
import { serving } from "../observe/serving.ts";
import { bin, skein } from "./skein.ts";

const here = serving();

describe("wrong usage", () => {
  it.each([
    ["bogus", "skein: unknown command 'bogus'; see --help\n"],
    ["statu", "skein: unknown command 'statu' (Did you mean status?); see --help\n"],
    ["status --bogus", "skein: unknown option '--bogus'; see --help\n"],
    ["wait", "skein: required option '--network <name>' not specified; see --help\n"],
    ["agent --linger soon", expect.stringContaining("Expected a duration such as 30s, 500ms or 5m.")],
    ["agent --log loud", expect.stringContaining("Cannot use configuration: log: expected ")],
    [
      "agent --config /nowhere.json",
      expect.stringContaining("Cannot read configuration /nowhere.json: expected a JSON"),
    ],
  ])("such as `skein %s` ends with 2 and one line", async (line, message) => {
    const { code, stdout, stderr } = await skein(line.split(" "));
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: message });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("no agent", () => {
  it("to be found ends with 3, and says where it was sought", async () => {
    const { code, stderr } = await skein(["status", "--socket", here.path]);
    expect(code).toBe(3);
    expect(stderr).toBe(
      `skein: Cannot reach the agent: expected its socket at ${here.path}, got no such file. ` +
        "Is `skein agent` running on this host? Another socket is named with --socket\n",
    );
  });

  it("behind the socket ends with 3", async () => {
    const path = join(here.directory, "file");
    writeFileSync(path, "");
    const { code, stderr } = await skein(["status", "--socket", path]);
    expect(code).toBe(3);
    expect(stderr).toContain("got one that nobody listens on");
  });

  it("that is through with starting ends with 3", async () => {
    await here.serve();
    const { code, stderr } = await skein(["status", "--socket", here.path]);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: "skein: Cannot answer yet: the agent is starting, ask again in a moment\n",
    });
  });

  it("that stays to answer ends with 3", async () => {
    mkdirSync(join(here.directory, "run"));
    const server = createServer((socket) => socket.once("data", () => socket.destroy())).listen(here.path);
    await once(server, "listening");
    const { code, stderr } = await skein(["status", "--socket", here.path]);
    server.close();
    expect(code).toBe(3);
    expect(stderr).toMatch(/got (an answer that breaks off|socket hang up)/);
  });
});

describe("help", () => {
  it("teaches keys, examples and exit codes", async () => {
    const { code, stdout } = await skein(["--help"]);
    expect(code).toBe(0);
    for (const part of ["networks/NET", "skein agent --host", "Exit codes:", "  4  not converged", "SKEIN_SOCKET"])
      expect(stdout).toContain(part);
  });

  it.each(["agent", "wait", "plan"])("of %s names the socket", async (command) => {
    const { code, stdout } = await skein([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("--socket <path>");
  });

  it("of the version is one line", async () => {
    expect(await skein(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

it("a reader that goes away ends `skein events` quietly", async () => {
  const view = fakeView();
  await here.serve(view);
  const child = spawn(process.execPath, [bin, "events", "--recent", "1", "--socket", here.path]);
  let stderr = "";
  child.stderr.on("data", (part) => {
    stderr += part;
  });
  view.events$.next({ type: "released", removals: 1 });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const closed = once(child, "close");
  view.events$.next({ type: "released", removals: 2 });
  expect(await closed).toEqual([0, null]);
  expect(stderr).toBe("");
});

it("commands that ask load neither drivers nor etcd's client nor the API", async () => {
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    process.argv.push("status", "--socket", "/nowhere");
    process.on("exit", () => console.log(loaded.filter((url) => /koffi|etcd3|grpc|fastify|rxjs|pino|zod/.test(url)).join()));
    await import(${JSON.stringify(bin)});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stdout = "";
  child.stdout.on("data", (part) => {
    stdout += part;
  });
  await once(child, "close");
  expect(stdout).toBe("\n");
});
