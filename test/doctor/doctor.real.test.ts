import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Check, DoctorReport } from "../../src/doctor/check.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { charonOn } from "../ike/charon.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ hosts: 1 });
});
afterAll(() => lab.close());

/** What `skein doctor` says on h1, and its exit code. */
async function doctor(args: readonly string[] = []) {
  const { code, stdout, stderr } = await lab.host("h1").exec("skein", ["doctor", "--json", ...args]);
  expect(stdout, stderr).toMatch(/^\{/);
  const report: DoctorReport = JSON.parse(stdout);
  const find = (area: Check["area"], name: string) => report.checks.filter((c) => c.area === area && c.name === name);
  return { code, stderr, report, find };
}

test("a host of the lab has what networks in clear need, without an agent and with one", async () => {
  const host = lab.host("h1");
  const before = await host.output("ip", ["-o", "link"]);
  const alone = await doctor(["--etcd", lab.etcd.endpoint, "--underlay", "eth0"]);
  expect(alone.find("agent", "agent")).toMatchObject([{ verdict: "warning" }]);
  expect(alone.find("etcd", lab.etcd.endpoint)).toMatchObject([{ found: expect.stringMatching(/^3\./) }]);
  for (const name of ["bridges", "veth pairs", "VXLAN devices", "nftables with NAT", "nftables for bridges"])
    expect(alone.find("kernel", name)).toMatchObject([{ verdict: "well" }]);
  expect(alone.code).toBe(0);
  // It asks for links, and leaves none.
  expect(await host.output("ip", ["-o", "link"])).toBe(before);

  const agent = await host.agent();
  await agent.start();
  await agent.ready();
  const beside = await doctor();
  expect(beside.find("agent", "agent")).toMatchObject([{ verdict: "well", found: expect.stringContaining("as h1") }]);
  expect(beside.find("underlay", "MTU")).toMatchObject([{ verdict: "well", found: "1500 on eth0" }]);
  expect(beside.find("host", "descriptors")).toMatchObject([{ verdict: "well" }]);
  expect(beside.report.checks.filter(({ verdict, remedy }) => verdict === "wrong" || remedy === "")).toEqual([]);
  expect(beside).toMatchObject({ code: 0, report: { healthy: true } });
  await agent.stop();
});

test("a port that somebody has, a firewall that drops and a directory open to all are found, with who and where", async () => {
  const host = lab.host("h1");
  const rules =
    "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; chain DOCKER-USER { }; }";
  await host.output("nft", ["-f", "-"], { input: rules });
  const program = `const s = require("dgram").createSocket("udp4"); s.bind(4789, () => console.log("bound"))`;
  const holder = host.spawn(process.execPath, ["-e", program]);
  try {
    await once(holder.stdout, "data");
    const state = join(lab.directory, "open");
    await host.output("mkdir", ["-m", "0777", state]);
    const { code, stderr, find } = await doctor(["--etcd", lab.etcd.endpoint, "--underlay", "eth0", "--state", state]);
    expect(find("ports", "UDP 4789")).toMatchObject([
      { verdict: "warning", found: expect.stringContaining(`(pid ${holder.pid})`) },
    ]);
    expect(find("forwarding", "firewall")).toMatchObject([
      { found: expect.stringContaining("ip filter FORWARD"), remedy: expect.stringContaining("DOCKER-USER -i sku-+") },
    ]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("got 1 fault: host: state") });

    await host.output("nft", ["add", "rule", "ip", "filter", "DOCKER-USER", "iifname", "sku-*", "accept"]);
    expect((await doctor(["--underlay", "eth0"])).find("forwarding", "firewall")).toMatchObject([{ verdict: "well" }]);
  } finally {
    holder.kill();
    await once(holder, "exit");
    await host.output("nft", ["delete", "table", "ip", "filter"]);
  }
});

test("Skein's charon is known by its socket, and any other one is in its way", async () => {
  const charon = await charonOn(lab, lab.host("h1"));
  await charon.start();
  const flags = ["--etcd", lab.etcd.endpoint, "--underlay", "eth0"];
  const ours = await doctor([...flags, "--vici", charon.socket]);
  expect(ours.find("charon", "running")).toMatchObject([{ verdict: "well", found: expect.stringContaining("charon") }]);
  expect(ours.find("charon", "version")).toMatchObject([{ verdict: "well" }]);
  expect(ours.find("charon", "plugins")).toMatchObject([{ verdict: "well" }]);
  for (const port of ["UDP 500", "UDP 4500"])
    expect(ours.find("ports", port)).toMatchObject([
      { verdict: "well", found: expect.stringContaining(`(pid ${charon.pid()})`) },
    ]);

  const others = await doctor([...flags, "--vici", "/run/nowhere.vici"]);
  expect(others.find("charon", "running")).toMatchObject([{ verdict: "warning" }]);
  for (const port of ["UDP 500", "UDP 4500"])
    expect(others.find("ports", port)).toMatchObject([
      { verdict: "warning", remedy: expect.stringContaining("systemctl disable --now strongswan") },
    ]);
  await charon.end("SIGTERM");
});
