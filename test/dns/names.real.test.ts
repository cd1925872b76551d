import { afterAll, beforeAll, expect, test } from "vitest";
import { startCapture } from "../../src/lab/capture.ts";
import type { Place } from "../../src/lab/place.ts";
import { endWithTest, openScene, type Scene, vxlan } from "../e2e/scene.ts";
import { eventually } from "../eventually.ts";

let scene: Scene;
const upstreamAddress = () => scene.lab.host("h2").underlay.address();

/** Records of Rocket.Chat in a network; every namespace is called as its container, after the network's first letter. */
const containers = [
  ["blue", "h1", "rocketchat", "10.42.64.98", { stack: "rocket-chat", service: "web" }],
  ["blue", "h2", "mongo", "10.42.118.43", { stack: "rocket-chat", service: "db" }],
  ["blue", "h2", "hubot", "10.42.118.44", { stack: "rocket-chat", service: "web" }],
  // As the one of blue, by name and address.
  ["green", "h2", "mongo", "10.42.118.43", {}],
  ["green", "h1", "secret", "10.42.7.8", {}],
] as const;

const namespaceOf = (net: string, name: string) => (net === "blue" ? name : `${net}-${name}`);
const keyOf = (net: string, host: string, name: string) => `keyspaces/${net}/containers/${host}/${name}`;
/** As users enter it: with the resolv.conf that iproute2 lays over the host's. */
const inside = (host: string, namespace: string) => ({
  output: (...command: string[]) => scene.lab.host(host).output("ip", ["netns", "exec", namespace, ...command]),
  exec: (...command: string[]) => scene.lab.host(host).exec("ip", ["netns", "exec", namespace, ...command]),
});
const mongo = () => inside("h2", "mongo");
const dig = async (place: ReturnType<typeof inside>, ...question: string[]) =>
  (await place.output("dig", "+short", "+timeout=2", "+tries=1", ...question)).trim().split("\n").sort().join(" ");

async function enter(net: string, host: string, name: string, ip: string, more: object): Promise<void> {
  const namespace = namespaceOf(net, name);
  await scene.lab.host(host).container(namespace);
  await scene.put(keyOf(net, host, name), { name, ip, netns: `/run/netns/${namespace}`, ...more });
}

beforeAll(async () => {
  scene = await openScene({ hosts: 2, args: ["--linger", "0"] });
  await scene.start();
  await scene.put(
    "networks/blue",
    vxlan(1042, { dns: { domain: "rancher.internal", upstreams: [upstreamAddress()] } }),
  );
  await scene.put("networks/green", vxlan(1043, { dns: { upstreams: "none" } }));
  for (const [net, host, name, ip, more] of containers) await enter(net, host, name, ip, more);
  for (const net of ["blue", "green"]) await scene.converged(net);
  const upstream = startDnsmasq(scene.lab.host("h2"), [
    `--listen-address=${upstreamAddress()}`,
    "--no-resolv",
    "--address=/example.com/192.0.2.80",
    `--txt-record=long.example.com,${Array.from({ length: 15 }, () => "x".repeat(200)).join(",")}`,
  ]);
  await upstream;
  await eventually(async () => expect(await dig(mongo(), "hubot.rancher.internal")).toBe("10.42.118.44"));
});
afterAll(() => scene?.lab.close());

/** Resolves when it answers. */
async function startDnsmasq(place: Place, args: string[]): Promise<{ kill(signal?: NodeJS.Signals): boolean }> {
  const common = [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--no-hosts",
    "--bind-interfaces",
    "--user=root",
    "--pid-file=",
  ];
  const child = place.spawn("dnsmasq", [...common, "--log-facility=-", ...args]);
  await new Promise<void>((resolve, reject) => {
    child.stderr.on("data", (text) => String(text).includes("started") && resolve());
    child.once("exit", (code) => reject(new Error(`Cannot start dnsmasq: status ${code}`)));
  });
  return child;
}

test("a container finds others by name with every usual client", async () => {
  expect(await scene.lab.host("h2").output("cat", ["/etc/netns/mongo/resolv.conf"])).toContain(
    "search rocket-chat.rancher.internal db.rocket-chat.rancher.internal rancher.internal\n",
  );
  expect(await mongo().output("ping", "-c", "1", "hubot")).toContain("10.42.118.44");
  expect(await mongo().output("ping", "-c", "1", "rocketchat")).toContain("10.42.64.98");
  expect(await mongo().output("getent", "ahostsv4", "web")).toMatch(/10\.42\.64\.98|10\.42\.118\.44/);
  const members = "10.42.118.44 10.42.64.98";
  expect(await dig(mongo(), "+search", "web")).toBe(members);
  expect(await dig(mongo(), "+tcp", "web.rocket-chat.rancher.internal")).toBe(members);
  expect((await mongo().output("kdig", "+short", "-x", "10.42.64.98")).trim()).toBe(
    "rocketchat.rocket-chat.rancher.internal.",
  );
  expect(await mongo().output("busybox", "nslookup", "rocketchat.rancher.internal")).toContain("Address: 10.42.64.98");
  expect((await mongo().exec("getent", "hosts", "nobody")).code).toBe(2);
});

test("ports, long answers and EDNS are as clients want them", async () => {
  await scene.put("keyspaces/blue/services/rocket-chat/web", { ports: { http: { port: 3000 } } });
  const targets = "0 0 3000 hubot.rocket-chat.rancher.internal. 0 0 3000 rocketchat.rocket-chat.rancher.internal.";
  await eventually(async () =>
    expect(await dig(mongo(), "SRV", "_http._tcp.web.rocket-chat.rancher.internal")).toMatch(
      new RegExp(targets.replaceAll("0 0", "\\d+ \\d+")),
    ),
  );
  const kdig = await mongo().output("kdig", "SRV", "_http._tcp.web.rocket-chat.rancher.internal");
  expect(kdig).toMatch(
    /ADDITIONAL SECTION[\s\S]*rocketchat\.rocket-chat\.rancher\.internal\.\s+1\s+IN\s+A\s+10\.42\.64\.98/,
  );

  const crowd = Array.from({ length: 100 }, (_, n) => `10.42.9.${n + 1}`);
  await scene.put("keyspaces/blue/services/rocket-chat/crowd", { addresses: crowd });
  const asked = (...flags: string[]) =>
    mongo().output("dig", "+tries=1", ...flags, "crowd.rocket-chat.rancher.internal");
  const members = (text: string) => [...text.matchAll(/\sA\s+10\.42\.9\./g)].length;
  // Without EDNS what 512 octets hold, by EDNS what 1,232 do, and all of it by TCP, where dig goes by itself.
  await eventually(async () => expect(members(await asked())).toBe(100));
  for (const [flags, least, most] of [
    [["+noedns", "+ignore"], 20, 31],
    [["+bufsize=4096", "+ignore"], 60, 76],
  ] as const) {
    const text = await asked(...flags);
    expect(text).toMatch(/flags:[^;]* tc/);
    expect(members(text)).toBeGreaterThan(least);
    expect(members(text)).toBeLessThan(most);
  }
  expect(await asked("+bufsize=4096")).toContain("(TCP)");
  expect(await asked("+edns=1", "+noednsnegotiation")).toContain("status: BADVERS");
  for (const service of ["web", "crowd"]) await scene.remove(`keyspaces/blue/services/rocket-chat/${service}`);
});

test("a name of one network is none in another, whatever the source address, and equal names and addresses are each network's own", async () => {
  const green = inside("h2", "green-mongo");
  expect(await dig(mongo(), "mongo.rancher.internal")).toBe("10.42.118.43");
  expect(await dig(green, "mongo.green.skein.internal")).toBe("10.42.118.43");
  expect(await dig(mongo(), "-x", "10.42.118.43")).toBe("mongo.rocket-chat.rancher.internal.");
  expect(await dig(green, "-x", "10.42.118.43")).toBe("mongo.green.skein.internal.");
  expect(await dig(green, "secret.green.skein.internal")).toBe("10.42.7.8");
  const capture = await startCapture(scene.lab.host("h2"), "any", "port 53 and host 10.99.0.2");
  for (const question of [
    ["secret.green.skein.internal"],
    ["secret.rancher.internal"],
    ["secret"],
    ["MX", "secret"],
    ["HTTPS", "secret"],
    ["secret.rocket-chat"],
    ["PTR", "8.7.42.10.in-addr.arpa"],
    ["PTR", "254.169.254.169.in-addr.arpa"],
  ])
    expect(await mongo().output("dig", "+tries=1", ...question)).toContain("status: NXDOMAIN");
  expect(await green.output("dig", "+tries=1", "hubot.rancher.internal")).toContain("status: NXDOMAIN");
  // None of it was asked outside.
  expect(await capture.stop()).toEqual([]);
});

test("other names are asked of the network's upstreams, and of nobody where there are none", async () => {
  expect(await dig(mongo(), "example.com")).toBe("192.0.2.80");
  expect((await mongo().output("dig", "+short", "TXT", "long.example.com")).length).toBeGreaterThan(3000);
  expect(await inside("h2", "green-mongo").output("dig", "+tries=1", "example.com")).toContain("status: REFUSED");
  await scene.put("keyspaces/blue/services/rocket-chat/bucket", { cname: "s3.example.com" });
  await eventually(async () => expect(await dig(mongo(), "+search", "bucket")).toBe("192.0.2.80 s3.example.com."));
});

test("a forwarder in front passes on what is said, and keeps it no longer than a second", async () => {
  const place = scene.lab.host("h2").in("mongo");
  const forwarder = await startDnsmasq(place, [
    "--port=5300",
    "--listen-address=127.0.0.1",
    "--no-resolv",
    "--server=169.254.169.250",
  ]);
  endWithTest(forwarder);
  await place.output("ip", ["link", "set", "lo", "up"]);
  const ask = (...question: string[]) => dig(mongo(), "@127.0.0.1", "-p", "5300", ...question);
  expect(await ask("rocketchat.rancher.internal")).toBe("10.42.64.98");
  expect(await ask("-x", "10.42.64.98")).toBe("rocketchat.rocket-chat.rancher.internal.");
  expect(await ask("brief.rancher.internal")).toBe("");
  // The second, and one more for a busy machine.
  const limitMs = 2000;
  await scene.put(keyOf("blue", "h1", "brief"), { name: "brief", ip: "10.42.64.99" });
  await eventually(async () => expect(await ask("brief.rancher.internal")).toBe("10.42.64.99"), limitMs);
  await scene.remove(keyOf("blue", "h1", "brief"));
  await eventually(async () => expect(await ask("brief.rancher.internal")).toBe(""), limitMs);
});

test("unhealthy members leave a service, and come back", async () => {
  const record = { name: "hubot", ip: "10.42.118.44", netns: "/run/netns/hubot", stack: "rocket-chat", service: "web" };
  await scene.put(keyOf("blue", "h2", "hubot"), { ...record, health: "unhealthy" });
  await eventually(async () => expect(await dig(mongo(), "+search", "web")).toBe("10.42.64.98"));
  expect(await dig(mongo(), "+search", "hubot")).toBe("10.42.118.44");
  await scene.put(keyOf("blue", "h2", "hubot"), { ...record, health: "healthy" });
  await eventually(async () => expect(await dig(mongo(), "+search", "web")).toBe("10.42.118.44 10.42.64.98"));
});

test("a resolv.conf of somebody else's is left alone, ours is repaired and goes with the container", async () => {
  const host = scene.lab.host("h1");
  await host.output("mkdir", ["-p", "/etc/netns/guest", "/etc/netns/guarded"]);
  await host.output("sh", ["-c", "echo nameserver 192.0.2.1 >/etc/netns/guarded/resolv.conf"]);
  for (const [name, ip] of [
    ["guest", "10.42.64.50"],
    ["guarded", "10.42.64.51"],
  ] as const)
    await enter("blue", "h1", name, ip, {});
  await scene.converged("blue");
  const read = (name: string) => host.output("cat", [`/etc/netns/${name}/resolv.conf`]);
  const ours = await read("guest");
  expect(ours).toContain("nameserver 169.254.169.250\nsearch rancher.internal\n");
  await host.output("sh", ["-c", "echo broken >>/etc/netns/guest/resolv.conf"]);
  await eventually(async () => expect(await read("guest")).toBe(ours));
  await host.output("rm", ["/etc/netns/guest/resolv.conf"]);
  await eventually(async () => expect(await read("guest")).toBe(ours));
  expect(await read("guarded")).toBe("nameserver 192.0.2.1\n");
  for (const name of ["guest", "guarded"]) await scene.remove(keyOf("blue", "h1", name));
  await scene.converged("blue");
  expect((await host.exec("ls", ["/etc/netns/guest"])).code).not.toBe(0);
  expect(await read("guarded")).toBe("nameserver 192.0.2.1\n");
});

test("with etcd away answers go on, and status says since when they are stale", async () => {
  await scene.lab.etcd.stop();
  await eventually(async () => expect((await scene.status("h2")).etcd.staleSince).toMatch(/^\d{4}-/));
  expect(await dig(mongo(), "hubot.rancher.internal")).toBe("10.42.118.44");
  await scene.lab.etcd.start();
  await eventually(async () => expect((await scene.status("h2")).etcd.staleSince).toBeUndefined());
});

test("an agent that was killed answers again when it is back", async () => {
  await scene.agent("h2").kill();
  expect((await mongo().exec("dig", "+tries=1", "+timeout=1", "hubot.rancher.internal")).code).not.toBe(0);
  await scene.start("h2");
  await eventually(async () => expect(await dig(mongo(), "hubot.rancher.internal")).toBe("10.42.118.44"));
});

test("a namespace that somebody deletes is made anew, and its names are answered in the new one", async () => {
  const inode = () => scene.lab.host("h2").output("stat", ["-c", "%i", "/run/netns/skein-blue"]);
  const before = await inode();
  // It may say "busy": the next of its name is there before the file is gone.
  await scene.lab.host("h2").exec("ip", ["netns", "del", "skein-blue"]);
  await eventually(async () => expect(await inode()).not.toBe(before));
  await eventually(async () => expect(await dig(mongo(), "hubot.rancher.internal")).toBe("10.42.118.44"));
});

test("a network that goes takes its sockets and files with it", async () => {
  await scene.remove("networks/blue");
  await eventually(async () => {
    const host = scene.lab.host("h2");
    expect((await host.output("ip", ["netns", "list"])).split(/\s+/)).not.toContain("skein-blue");
    expect((await host.exec("ls", ["/etc/netns/mongo/resolv.conf"])).code).not.toBe(0);
  });
  expect(await scene.plan("h2")).toEqual([]);
  expect(await dig(inside("h2", "green-mongo"), "secret.green.skein.internal")).toBe("10.42.7.8");
});
