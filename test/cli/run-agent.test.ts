import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { skein } from "./skein.ts";

let directory: string;
let socket: string;
const running = new Set<Agent>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "skein-agent-"));
  socket = join(directory, "agent.sock");
});
afterEach(async () => {
  for (const { child } of running) child.kill("SIGKILL");
  await Promise.all([...running].map(({ ended }) => ended));
  running.clear();
  rmSync(directory, { recursive: true });
});

interface Agent {
  child: ChildProcessByStdio<null, Readable, Readable>;
  /** What it wrote to standard output, once it has ended. */
  stdout: Promise<string>;
  ended: Promise<[code: number | null, signal: string | null]>;
  log: string[];
  /** Resolves with the log's line that says so. */
  said(part: string): Promise<string>;
}

function start(mode: string[] = [], env: NodeJS.ProcessEnv = {}): Agent {
  const program = join(import.meta.dirname, "agent-program.ts");
  const child = spawn(process.execPath, [program, socket, ...mode], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => log.push(JSON.parse(line).msg));
  const agent: Agent = {
    child,
    stdout: text(child.stdout),
    ended: once(child, "close") as Agent["ended"],
    log,
    async said(part) {
      for (;;) {
        const line = log.find((message) => message.includes(part));
        if (line !== undefined) return line;
        await once(lines, "line");
      }
    },
  };
  running.add(agent);
  return agent;
}

it("says how it starts, answers, and leaves rows in place on SIGTERM", async () => {
  const agent = start();
  expect(await agent.said("starts as h1")).toBe(
    `skein 0.1.0 starts as h1: underlay lo, an etcd of its own below /var/lib/skein, since no --etcd is named: ` +
      `for one machine, prefix /skein/v1, socket ${socket}`,
  );
  expect(await agent.said("ready after")).toContain("2 networks, 42 rows");
  expect(await skein(["release", "--socket", socket])).toMatchObject({ code: 0 });
  agent.child.kill("SIGTERM");
  expect(await agent.ended).toEqual([0, null]);
  expect(await agent.stdout).toBe("stopped\n");
  expect(agent.log.at(-1)).toBe("ending on SIGTERM: all rows stay");
  expect(() => statSync(socket)).toThrow("ENOENT");
});

it("goes on when its terminal goes", async () => {
  const agent = start();
  await agent.said("ready after");
  agent.child.kill("SIGHUP");
  expect(await skein(["status", "--socket", socket])).toMatchObject({ code: 0 });
});

it("ends after `skein leave`, without stopping twice", async () => {
  const agent = start();
  await agent.said("ready after");
  expect(await skein(["leave", "--socket", socket])).toMatchObject({ code: 0, stderr: "" });
  expect(await agent.ended).toEqual([0, null]);
  expect(await agent.stdout).toBe("");
});

it("can be ended while it starts, and says meanwhile that it does", async () => {
  const agent = start(["hangs"]);
  await agent.said("starts as h1");
  expect(await skein(["status", "--socket", socket])).toMatchObject({ code: 3 });
  agent.child.kill("SIGINT");
  expect(await agent.ended).toEqual([0, null]);
});

it("fails where the agent cannot be started, and gives the socket back", async () => {
  const agent = start(["fails"]);
  expect(await agent.ended).toEqual([1, null]);
  expect(await agent.stdout).toBe("Cannot open the kernel: expected CAP_NET_ADMIN, got none\n");
  expect(() => statSync(socket)).toThrow("ENOENT");
});

it("does not start beside another one", async () => {
  await start().said("ready after");
  const second = start();
  expect(await second.ended).toEqual([1, null]);
  expect(await second.stdout).toContain(`Cannot listen on ${socket}: expected no agent there`);
  expect(await skein(["status", "--socket", socket])).toMatchObject({ code: 0 });
});

/** A systemd-notify that writes down what it is told. */
function fakeNotify(): { env: NodeJS.ProcessEnv; told(): string } {
  const file = join(directory, "told");
  const tool = join(directory, "systemd-notify");
  writeFileSync(tool, `#!/bin/sh\nprintf '%s\\n' "$@" >> ${file}\n`);
  chmodSync(tool, 0o755);
  const env = { PATH: `${directory}:${process.env.PATH}`, NOTIFY_SOCKET: "/run/systemd/notify" };
  return { env, told: () => readFileSync(file, "utf8") };
}

it("tells systemd when it is ready", async () => {
  const { env, told } = fakeNotify();
  const agent = start([], env);
  await agent.said("told systemd");
  expect(told()).toMatch(/^READY=1\nSTATUS=ready after 3 min: 2 networks, 42 rows\n$/);
});

it("does not tell systemd before", async () => {
  const { env, told } = fakeNotify();
  const agent = start(["never-ready"], env);
  await agent.said("starts as h1");
  await skein(["status", "--socket", socket]);
  agent.child.kill("SIGTERM");
  await agent.ended;
  expect(told).toThrow("ENOENT");
});

it("goes on where systemd cannot be told, and warns", async () => {
  const agent = start([], { PATH: directory, NOTIFY_SOCKET: "/run/systemd/notify" });
  expect(await agent.said("Cannot tell systemd")).toContain("expected systemd-notify to do it");
  expect(await skein(["status", "--socket", socket])).toMatchObject({ code: 0 });
});
