import { Etcd3 } from "etcd3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { place } from "../../src/lab/place.ts";
import { ip } from "../../src/model/address.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await createLab({ hosts: 2 });
});
afterAll(() => lab.close());

const ping = (address: string) => ["-c", "1", "-W", "1", address];

test("hosts reach each other on the wire, and the outside", async () => {
  expect(await lab.host("h1").exec("ping", ping("10.99.0.2"))).toMatchObject({ code: 0 });
  expect(await lab.host("h2").exec("ping", ping("10.99.0.1"))).toMatchObject({ code: 0 });
  expect(await lab.host("h1").exec("ping", ping(lab.outside.address))).toMatchObject({ code: 0 });
  expect(await lab.host("h1").exec("ping", ping("10.99.0.3"))).toMatchObject({ code: 1 });
});

test("the outside tells who asked", async () => {
  const url = await lab.outside.serve();
  const ask = `fetch("${url}").then((answer) => answer.text()).then(console.log)`;
  expect(await lab.host("h2").output(process.execPath, ["-e", ask])).toBe("10.99.0.2\n");
});

test("hosts have their own /run, host name and namespaces", async () => {
  const [h1, h2] = [lab.host("h1"), lab.host("h2")];
  await h1.container("web");
  expect(await h2.output("ip", ["netns", "list"])).toBe("");
  await h2.container("web");
  expect(await h1.output("hostname")).toBe("h1\n");
  expect(await h1.in("web").output("readlink", ["/proc/self/ns/net"])).not.toBe(
    await h2.in("web").output("readlink", ["/proc/self/ns/net"]),
  );
  expect(await h1.in("web").exec("ping", ping("127.0.0.1"))).toMatchObject({ code: 0 });

  await h1.removeContainer("web");
  expect(await h1.output("ip", ["netns", "list"])).toBe("");
  expect(await h2.output("ip", ["netns", "list"])).toMatch(/^web\b/);
});

test("a lab keeps none of the machine's namespaces alive", async () => {
  const name = `skein-test-${lab.name}`;
  const machine = place(["env"], process.env);
  await machine.output("ip", ["netns", "add", name]);
  try {
    const other = await createLab({ hosts: 1 });
    const mounts = await machine.output("cat", [`/proc/${other.host("h1").pid}/mountinfo`]);
    expect(mounts).toContain(" /run/netns ");
    expect(mounts).not.toContain(name);
    await other.close();
  } finally {
    await machine.output("ip", ["netns", "del", name]);
  }
});

test("the underlay's MTU and address can be changed", async () => {
  const { underlay } = lab.host("h1");
  const shown = async () => JSON.parse(await lab.host("h1").output("ip", ["-json", "addr", "show", "dev", "eth0"]))[0];
  await underlay.setMtu(1400);
  expect(await shown()).toMatchObject({ mtu: 1400 });
  await underlay.setMtu(1500);

  await underlay.setAddress(ip("10.99.0.77"));
  const addresses = (await shown()).addr_info.filter((info: { family: string }) => info.family === "inet");
  expect(addresses).toMatchObject([{ local: "10.99.0.77", prefixlen: 24 }]);
  expect(underlay.address()).toBe("10.99.0.77");
  expect(await lab.host("h2").exec("ping", ping("10.99.0.77"))).toMatchObject({ code: 0 });
  expect(await lab.host("h1").exec("ping", ping(lab.outside.address))).toMatchObject({ code: 0 });
  await underlay.setAddress(ip("10.99.0.1"));
});

test("a capture sees what passes a host's port", async () => {
  const capture = await lab.capture("h2", "icmp");
  await lab.host("h1").exec("ping", ping("10.99.0.2"));
  expect(await capture.until(/echo reply/)).toContain("10.99.0.2 > 10.99.0.1");
  expect(await capture.stop()).toHaveLength(2);
  await expect(lab.capture("h2", "no such filter")).rejects.toThrow(/tcpdump/);
});

test("a capture that ends at once has all that passed before", async () => {
  const capture = await lab.capture("h2", "icmp");
  await lab.host("h1").output("ping", ["-q", "-f", "-c", "1000", "10.99.0.2"]);
  expect(await capture.stop()).toHaveLength(2000);
});

test("etcd is reached from hosts and from here, and keeps its data over stop and kill", async () => {
  await lab.host("h1").output("etcdctl", ["put", "greeting", "hello"]);
  await lab.etcd.stop();
  await lab.etcd.start();
  await lab.etcd.kill();
  await lab.etcd.start();

  const client = new Etcd3({ hosts: lab.etcd.socket });
  expect(await client.get("greeting").string()).toBe("hello");
  client.close();
  expect(await lab.etcd.ctl(["get", "--print-value-only", "greeting"])).toBe("hello\n");
});

test("a paused etcd answers nobody until it goes on, and can be ended", async () => {
  const health = ["--command-timeout=1s", "endpoint", "health"];
  await lab.etcd.pause();
  expect((await lab.host("h2").exec("etcdctl", health)).code).not.toBe(0);
  lab.etcd.resume();
  expect(await lab.host("h2").exec("etcdctl", health)).toMatchObject({ code: 0 });
  await lab.etcd.pause();
  await lab.etcd.stop();
  await lab.etcd.start();
});

test("labs do not meet", async () => {
  const other = await createLab({ hosts: 1 });
  await other.etcd.ctl(["put", "only", "there"]);
  expect(await lab.etcd.ctl(["get", "only"])).toBe("");
  expect(await other.host("h1").exec("ping", ping("10.99.0.2"))).toMatchObject({ code: 1 });
  await other.close();
});
