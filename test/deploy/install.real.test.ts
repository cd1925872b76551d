import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { connects } from "../../src/lab/socket.ts";

const run = promisify(execFile);
const checkout = join(import.meta.dirname, "../..");
const root = mkdtempSync(join(tmpdir(), "skein-install-"));
const skein = join(root, "usr/local/bin/skein");

async function install(): Promise<string> {
  const { stdout } = await run("sh", [join(checkout, "deploy/install.sh")], { env: { ...process.env, DESTDIR: root } });
  return stdout;
}

let lab: Lab;
let said: string;

beforeAll(async () => {
  said = await install();
  lab = await createLab({ hosts: 1 });
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

test("the units are ones that systemd takes, charon's beside the agent's", async () => {
  const copies = ["skein.service", "skein-charon.service"].map((name) => {
    const unit = readFileSync(join(root, "etc/systemd/system", name), "utf8");
    const copy = join(root, name);
    writeFileSync(copy, unit.replace("/usr/local/bin/skein", skein));
    return copy;
  });
  const { stderr } = await run("systemd-analyze", ["verify", "--man=no", "--recursive-errors=yes", ...copies]);
  expect(stderr).toBe("");
});

test("charon runs by the installed configuration, with no more rights than its unit gives", async () => {
  const unit = readFileSync(join(root, "etc/systemd/system/skein-charon.service"), "utf8");
  const rights = /^CapabilityBoundingSet=(.*)$/m.exec(unit)![1]!.toLowerCase().replaceAll("cap_", "+").split(" ");
  expect(unit).toContain("Environment=STRONGSWAN_CONF=/etc/skein/strongswan.conf");
  const host = lab.host("h1");
  await host.output("mkdir", ["/run/skein"]);
  const limits = [`--bounding-set=-all,${rights.join(",")}`, "--no-new-privs", "--"];
  const env = { STRONGSWAN_CONF: join(root, "etc/skein/strongswan.conf") };
  const charon = host.spawn("setpriv", [...limits, "charon-systemd"], { env });
  const ended = new Promise((resolve) => charon.once("exit", resolve));
  try {
    await connects(`/proc/${host.pid}/root/run/skein/charon.vici`, AbortSignal.timeout(30_000));
    const uri = ["--uri", "unix:///run/skein/charon.vici"];
    expect(await host.output("swanctl", ["--stats", ...uri])).toMatch(
      /loaded plugins: .*kernel-netlink socket-default vici/,
    );
  } finally {
    charon.kill("SIGTERM");
    expect(await ended).toBe(0);
  }
});

test("the agent of the package makes a network on a host, by the configuration file alone", async () => {
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

test("charon outlives the agent: no unit ends or starts it with the agent's, nor does an upgrade", async () => {
  const unit = (name: string) => readFileSync(join(root, "etc/systemd/system", name), "utf8");
  const coupled = /^(Requires|Requisite|BindsTo|PartOf|PropagatesStopTo|Conflicts|Upholds)=/m;
  for (const name of ["skein.service", "skein-charon.service"]) expect(unit(name)).not.toMatch(coupled);
  expect(unit("skein.service")).toMatch(/^Wants=.*skein-charon\.service/m);
  const script = readFileSync(join(import.meta.dirname, "../../deploy/install.sh"), "utf8");
  expect(script.match(/systemctl (restart|try-restart|stop|reload) .*/g)).toEqual(["systemctl try-restart skein"]);
});

test("an upgrade keeps the configuration", async () => {
  const files = ["agent.json", "strongswan.conf"].map((name) => join(root, "etc/skein", name));
  writeFileSync(files[1]!, `${readFileSync(files[1]!, "utf8")}# mine\n`);
  const before = files.map((file) => readFileSync(file, "utf8"));
  const saidAgain = await install();
  for (const file of files) expect(saidAgain).toContain(`kept ${file}`);
  expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(before);
}, 300_000);
