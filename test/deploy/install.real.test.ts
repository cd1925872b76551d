import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLab, type Lab } from "../../src/lab/lab.ts";

const run = promisify(execFile);
const checkout = join(import.meta.dirname, "../..");
const root = mkdtempSync(join(tmpdir(), "skein-install-"));
const skein = join(root, "usr/local/bin/skein");

async function install(): Promise<string> {
  const { stdout } = await run("sh", [join(checkout, "deploy/install.sh")], { env: { ...process.env, DESTDIR: root } });
  return stdout;
}

let lab: Lab | undefined;
let said: string;

beforeAll(async () => {
  said = await install();
}, 300_000);

afterAll(async () => {
  await lab?.close();
  rmSync(root, { recursive: true });
});

test("what was installed runs, under the pinned node, and says its version", async () => {
  const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  expect((await run(skein, ["--version"])).stdout.trim()).toBe(version);
  expect(said.trim().split("\n").at(-1)).toBe(`skein install: done: ${version}`);
  const node = join(root, "opt/skein/node_modules/node/bin/node");
  expect((await run(node, ["--version"])).stdout).toMatch(/^v24\./);
});

test("the unit is one that systemd takes", async () => {
  const unit = readFileSync(join(root, "etc/systemd/system/skein.service"), "utf8");
  const copy = join(root, "skein.service");
  writeFileSync(copy, unit.replace("/usr/local/bin/skein", skein));
  const { stderr } = await run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", copy]);
  expect(stderr).toBe("");
});

test("the agent of the package makes a network on a host, by the configuration file alone", async () => {
  lab = await createLab({ hosts: 1 });
  const host = lab.host("h1");
  const config = join(root, "etc/skein/agent.json");
  expect(statSync(config).mode & 0o777).toBe(0o640);
  const socket = join(lab.directory, "installed.sock");
  const settings = { host: "h1", underlay: "eth0", socket, state: join(lab.directory, "installed") };
  writeFileSync(config, JSON.stringify({ ...settings, etcd: { endpoints: [lab.etcd.endpoint] } }));
  const agent = host.spawn(skein, ["agent", "--config", config]);
  const ended = new Promise((resolve) => agent.once("exit", resolve));
  try {
    const ready = new Promise<void>((resolve) => {
      agent.stderr.on("data", (data) => String(data).includes("ready after") && resolve());
    });
    await Promise.race([ready, ended]);
    await host.container("web");
    await lab.etcd.ctl([
      "put",
      "/skein/v1/networks/blue",
      '{"cidr":"10.42.0.0/16","backend":{"type":"vxlan","vni":1042}}',
    ]);
    await lab.etcd.ctl([
      "put",
      "/skein/v1/keyspaces/blue/containers/h1/web",
      '{"name":"web","ip":"10.42.64.98","netns":"/run/netns/web"}',
    ]);
    await host.output(skein, ["--socket", socket, "wait", "--network", "blue", "--timeout", "30s"]);
    expect(await host.in("web").output("ip", ["-br", "address", "show", "eth0"])).toContain("10.42.64.98/16");
  } finally {
    agent.kill("SIGTERM");
    expect(await ended).toBe(0);
  }
});

test("an upgrade keeps the configuration", async () => {
  const config = join(root, "etc/skein/agent.json");
  const before = readFileSync(config, "utf8");
  expect(await install()).toContain(`kept ${config}`);
  expect(readFileSync(config, "utf8")).toBe(before);
}, 300_000);
