import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Kind, kinds, type Row, type Scope } from "../../src/desired/rows.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { cidr, ip, mac } from "../../src/model/address.ts";
import type { Driver, Drivers, Notice } from "../../src/reconcile/kind.ts";
import { addAll, apply, driversOf, observed, removeAll, row } from "./driven.ts";
import { type FreshNamespace, freshNamespace } from "./fresh-namespace.ts";
import { type FreshContainer, freshContainer, isAbsent, isPresent, nextNotice, run, witness } from "./witness.ts";

let kernel: Kernel;
let drivers: Drivers;
beforeAll(async () => {
  kernel = await openKernel();
  drivers = driversOf(kernel);
});
afterAll(() => kernel.close());

const remote = { vtep: mac("0e:53:0a:63:00:02"), agent: ip("10.42.2.1"), underlay: ip("127.0.0.9") };
const mtu = 1450;

/** The host's namespace holds one device a VNI and port, and an old one for a while after its namespace was deleted. */
function freshVni(): number {
  return 1_000_000 + randomInt(10_000_000);
}

interface Plane {
  vni: number;
  net: FreshNamespace;
  container: FreshContainer;
  rows: Row[];
  find(kind: Kind, key: string): Row;
}

/** One network with one container and one peer, every kind of row of rtnetlink in it. */
async function plane(): Promise<Plane> {
  const net = await freshNamespace(kernel);
  const container = freshContainer();
  const vni = freshVni();
  const near = row("link", net.scope, "skc1", {
    type: "veth",
    mtu,
    up: true,
    master: "br0",
    peer: { scope: container.scope, name: "eth0", mac: mac("02:53:0a:2a:01:05") },
  });
  const rows = [
    row("link", net.scope, "br0", { type: "bridge", mac: mac("02:53:0a:2a:00:01"), mtu, up: true }),
    row("link", net.scope, "vx0", {
      type: "vxlan",
      vni,
      local: ip("127.0.0.1"),
      port: 14789,
      mac: mac("0e:53:0a:63:00:01"),
      mtu,
      up: true,
    }),
    near,
    row("link", container.scope, "eth0", { type: "veth-peer", mac: mac("02:53:0a:2a:01:05"), mtu, up: true }),
    row("address", net.scope, "br0 10.42.1.1/32", { dev: "br0", address: "10.42.1.1/32" }),
    row("address", container.scope, "eth0 10.42.1.5/16", { dev: "eth0", address: "10.42.1.5/16" }),
    row("neighbour", net.scope, `vx0 ${remote.agent}`, { dev: "vx0", ip: remote.agent, lladdr: remote.vtep }),
    row("fdb", net.scope, `vx0 ${remote.vtep}`, { dev: "vx0", lladdr: remote.vtep, dst: remote.underlay }),
    row("route", net.scope, "10.42.0.0/16", { type: "unreachable", dst: cidr("10.42.0.0/16") }),
    row("route", net.scope, "10.42.1.5/32", {
      type: "unicast",
      dst: cidr("10.42.1.5/32"),
      dev: "br0",
      src: ip("10.42.1.1"),
      scope: "link",
    }),
    row("route", net.scope, "10.42.2.0/24", {
      type: "unicast",
      dst: cidr("10.42.2.0/24"),
      dev: "vx0",
      via: remote.agent,
      onlink: true,
      src: ip("10.42.1.1"),
      scope: "global",
    }),
    row("route", container.scope, "0.0.0.0/0", {
      type: "unicast",
      dst: cidr("0.0.0.0/0"),
      dev: "eth0",
      via: ip("10.42.0.1"),
      scope: "global",
    }),
  ];
  await addAll(drivers, rows);
  const find = (kind: Kind, key: string) => rows.find((each) => each.kind === kind && each.key === key) as Row;
  return { vni, net, container, rows, find };
}

/** Whether each row is found, and fulfils its wish; and that nothing else is. */
async function expectHeld(by: Drivers, rows: readonly Row[], scopes: readonly Scope[]): Promise<void> {
  const found = [];
  for (const scope of scopes)
    for (const kind of kinds.slice(kinds.indexOf("link"), kinds.indexOf("translation")))
      if (kind !== "sysctl") found.push(...(await (by[kind] as Driver).list(scope)));
  const id = (each: Pick<Row, "kind" | "scope" | "key">) => `${each.kind} ${each.scope} ${each.key}`;
  expect(found.map(id).sort()).toEqual(rows.map(id).sort());
  for (const each of found) {
    const wish = rows.find((other) => id(other) === id(each)) as Row;
    const { same } = by[each.kind] as Driver;
    if (same) expect([each, same(wish.value, each.value)]).toEqual([each, true]);
    else expect(each).toEqual(observed(wish));
  }
}

describe("a network's rows", () => {
  test("are in the kernel as ip and bridge tell it", async () => {
    const { vni, net, container } = await plane();
    const links = witness("ip", net.name, "link");
    const link = (name: string) => links.find(({ ifname }) => ifname === name);
    expect(link("br0")).toMatchObject({
      ifalias: "skein",
      address: "02:53:0a:2a:00:01",
      mtu,
      operstate: "UP",
      linkinfo: { info_kind: "bridge", info_data: { stp_state: 0, forward_delay: 0, mcast_snooping: 0 } },
    });
    expect(link("vx0")).toMatchObject({
      ifalias: "skein",
      address: "0e:53:0a:63:00:01",
      mtu,
      // Its outer packets leave in the namespace it was made from, the host's.
      link_netnsid: expect.any(Number),
      linkinfo: { info_kind: "vxlan", info_data: { id: vni, local: "127.0.0.1", port: 14789, learning: false } },
    });
    expect(link("skc1")).toMatchObject({ ifalias: `skein ${container.scope} eth0`, master: "br0", mtu });
    expect(witness("ip", container.name, "addr", "show", "eth0")[0]).toMatchObject({
      ifalias: "skein",
      address: "02:53:0a:2a:01:05",
      mtu,
      operstate: "UP",
      addr_info: [{ family: "inet", local: "10.42.1.5", prefixlen: 16 }],
    });
    expect(witness("ip", net.name, "addr", "show", "br0")[0]).toMatchObject({
      addr_info: [{ family: "inet", local: "10.42.1.1", prefixlen: 32 }],
    });
    expect(
      run("ip", "-n", net.name, "route")
        .trim()
        .split("\n")
        .map((line) => line.trim()),
    ).toEqual([
      "unreachable 10.42.0.0/16 proto 83",
      "10.42.1.5 dev br0 proto 83 scope link src 10.42.1.1",
      "10.42.2.0/24 via 10.42.2.1 dev vx0 proto 83 src 10.42.1.1 onlink",
    ]);
    expect(witness("ip", container.name, "route", "show", "default")).toMatchObject([
      { dst: "default", gateway: "10.42.0.1", dev: "eth0", protocol: "83" },
    ]);
    expect(witness("ip", net.name, "neigh", "show", "dev", "vx0")).toMatchObject([
      { dst: remote.agent, lladdr: remote.vtep, state: ["PERMANENT"] },
    ]);
    expect(witness("bridge", net.name, "fdb", "show", "dev", "vx0")).toMatchObject([
      { mac: remote.vtep, dst: remote.underlay, flags: ["self"], state: "permanent" },
    ]);
  });

  test("are found as they were wished, by an agent that has just started", async () => {
    const { net, container, rows } = await plane();
    await expectHeld(drivers, rows, [net.scope, container.scope]);
    const later = await openKernel();
    onTestFinished(() => later.close());
    await expectHeld(driversOf(later), rows, [net.scope, container.scope]);
  });

  test("can be added again and removed again", async () => {
    const { net, container, rows } = await plane();
    await addAll(drivers, rows);
    await expectHeld(drivers, rows, [net.scope, container.scope]);
    await removeAll(drivers, rows);
    await removeAll(drivers, rows);
    await expectHeld(drivers, [], [net.scope, container.scope]);
    expect(witness("ip", net.name, "link").map(({ ifname }) => ifname)).toEqual(["lo"]);
  });

  test("are followed: whatever somebody deletes is told", async () => {
    const { net } = await plane();
    const mortal = ip("10.42.3.1");
    await addAll(drivers, [
      row("neighbour", net.scope, `vx0 ${mortal}`, { dev: "vx0", ip: mortal, lladdr: remote.vtep }),
    ]);
    const deletions: [kind: Kind, key: string, command: string][] = [
      ["route", "10.42.2.0/24", "ip route del 10.42.2.0/24"],
      ["fdb", `vx0 ${remote.vtep}`, `bridge fdb del ${remote.vtep} dev vx0 dst ${remote.underlay} self`],
      ["neighbour", `vx0 ${remote.agent}`, `ip neigh del ${remote.agent} dev vx0`],
      ["neighbour", `vx0 ${mortal}`, `ip neigh change ${mortal} lladdr ${remote.vtep} dev vx0 nud reachable`],
      ["address", "br0 10.42.1.1/32", "ip addr del 10.42.1.1/32 dev br0"],
      ["link", "vx0", "ip link del vx0"],
    ];
    for (const [kind, key, command] of deletions) {
      const told = nextNotice(drivers, isAbsent(kind, key));
      net.run("sh", "-c", command);
      expect(await told).toMatchObject({ kind, key, scope: net.scope });
    }
  });

  test("are followed: whatever somebody changes is told, and put right again", async () => {
    const { net, container, find, rows } = await plane();
    const changes: [kind: Kind, key: string, command: string][] = [
      ["route", "10.42.2.0/24", "ip route replace 10.42.2.0/24 via 10.42.9.9 dev vx0 onlink proto 83"],
      ["fdb", `vx0 ${remote.vtep}`, `bridge fdb replace ${remote.vtep} dev vx0 dst 127.0.0.77 self permanent`],
      [
        "neighbour",
        `vx0 ${remote.agent}`,
        `ip neigh replace ${remote.agent} lladdr 0e:53:0a:63:00:99 dev vx0 nud permanent`,
      ],
      ["link", "br0", "ip link set br0 mtu 1400"],
      ["link", "vx0", "ip link set vx0 address 0e:53:0a:63:00:77"],
      ["link", "skc1", "ip link set skc1 nomaster"],
    ];
    for (const [kind, key, command] of changes) {
      const told = nextNotice(drivers, isPresent(kind, key));
      net.run("sh", "-c", command);
      const notice = (await told) as Extract<Notice, { type: "present" }>;
      const wish = find(kind, key);
      expect(notice.row.value).not.toEqual(wish.value);
      const operation = { verb: "replace", row: wish, was: notice.row.value };
      expect(await (drivers[kind] as Driver).apply(net.scope, [operation as never])).toEqual([undefined]);
    }
    // With a device's address the kernel drops the neighbours on it, and says so.
    await addAll(
      drivers,
      rows.filter(({ kind }) => kind === "neighbour"),
    );
    await expectHeld(drivers, rows, [net.scope, container.scope]);
  });

  test("are followed: a route that another takes the place of is gone", async () => {
    const { net, find } = await plane();
    const told = nextNotice(drivers, isAbsent("route", "10.42.2.0/24"));
    net.run("ip", "route", "replace", "blackhole", "10.42.2.0/24");
    await told;
    expect(await apply(drivers, "add", find("route", "10.42.2.0/24"))).toBeUndefined();
    expect(run("ip", "-n", net.name, "route", "show", "10.42.2.0/24")).toContain("proto 83");
  });

  test("that vanish with a link set down are to be listed again", async () => {
    const { net, container, find, rows } = await plane();
    const relist = nextNotice(
      drivers,
      ({ type, ...notice }) => type === "relist" && "scope" in notice && notice.scope === net.scope,
    );
    const down = nextNotice(drivers, isPresent("link", "vx0"));
    net.run("ip", "link", "set", "vx0", "down");
    expect(await down).toMatchObject({ row: { value: { up: false } } });
    expect(await relist).toMatchObject({ kinds: ["address", "neighbour", "fdb", "route"] });
    expect((await drivers.route.list(net.scope)).map(({ key }) => key)).not.toContain("10.42.2.0/24");
    const left = ["link vx0", "route 10.42.2.0/24", `neighbour vx0 ${remote.agent}`];
    await addAll(
      drivers,
      rows.filter(({ kind, key }) => left.includes(`${kind} ${key}`)),
    );
    await expectHeld(drivers, rows, [net.scope, container.scope]);
    expect(find("link", "vx0").value).toMatchObject({ up: true });
  });
});

describe("what is not ours", () => {
  test("in a container is not listed, nor removed, nor taken over", async () => {
    const { container, find } = await plane();
    container.ip("link", "add", "theirs", "type", "bridge");
    container.ip("addr", "add", "10.42.1.77/16", "dev", "eth0");
    container.ip("route", "add", "192.0.2.0/24", "via", "10.42.0.1", "dev", "eth0");
    expect((await drivers.link.list(container.scope)).map(({ key }) => key)).toEqual(["eth0"]);
    expect((await drivers.address.list(container.scope)).map(({ key }) => key)).toEqual(["eth0 10.42.1.5/16"]);
    expect((await drivers.route.list(container.scope)).map(({ key }) => key)).toEqual(["0.0.0.0/0"]);

    const dst = cidr("192.0.2.0/24");
    const route = row("route", container.scope, dst, { type: "unicast", dst, dev: "eth0", scope: "link" });
    expect(await apply(drivers, "add", route)).toMatchObject({ code: "EEXIST" });
    expect(await apply(drivers, "remove", route)).toBeUndefined();
    expect(run("ip", "-n", container.name, "route", "show", dst)).toContain("via 10.42.0.1");
    expect(await apply(drivers, "add", find("route", "0.0.0.0/0"))).toBeUndefined();

    const bridge = row("link", container.scope, "theirs", { type: "bridge", mtu, up: true });
    expect(await apply(drivers, "add", bridge)).toMatchObject({ code: "EEXIST" });
    expect(await apply(drivers, "remove", bridge)).toBeUndefined();
    expect(witness("ip", container.name, "link").map(({ ifname }) => ifname)).toContain("theirs");
  });

  test("at the host stays as it is", async () => {
    const before = run("ip", "link");
    expect((await drivers.link.list("host")).map(({ key }) => key)).not.toContain("lo");
    expect((await drivers.address.list("host")).map(({ key }) => key)).not.toContain("lo 127.0.0.1/8");
    const lo = row("link", "host", "lo", { type: "bridge", mtu, up: true });
    expect(await apply(drivers, "add", lo)).toMatchObject({ code: "EEXIST" });
    expect(await apply(drivers, "remove", lo)).toBeUndefined();
    expect(run("ip", "link")).toBe(before);
  });
});

describe("a pair", () => {
  test("whose container came again in a new namespace is told to be torn, and made anew", async () => {
    const { container, find, net } = await plane();
    const [near, far] = [find("link", "skc1"), find("link", "eth0")];
    // A process left behind keeps the old namespace alive, and with it the old pair.
    const left = spawn("nsenter", [`--net=${container.path}`, "sleep", "infinity"]);
    onTestFinished(() => void left.kill());
    await once(left, "spawn");
    await expect.poll(() => readlinkSync(`/proc/${left.pid}/ns/net`)).not.toBe(readlinkSync("/proc/self/ns/net"));

    run("ip", "netns", "delete", container.name);
    expect(await apply(drivers, "add", far)).toMatchObject({ code: "NETNS_MISSING", next: "wait" });
    run("ip", "netns", "add", container.name);
    const torn = nextNotice(drivers, isPresent("link", "skc1"));
    expect(await apply(drivers, "add", far)).toMatchObject({ code: "ENODEV", next: "wait" });
    const notice = (await torn) as Extract<Notice, { type: "present" }>;
    expect(drivers.link.same?.(near.value as never, notice.row.value as never)).toBe(false);
    await addAll(drivers, [near, far]);
    expect(witness("ip", container.name, "link").map(({ ifname }) => ifname)).toContain("eth0");
    expect(witness("ip", net.name, "link", "show", "skc1")).toHaveLength(1);
  });

  test("whose far end was taken away by somebody is told to be torn, and made anew", async () => {
    const { container, find, net } = await plane();
    const near = find("link", "skc1");
    const torn = nextNotice(drivers, isPresent("link", "skc1"));
    container.ip("link", "set", "eth0", "down");
    container.ip("link", "set", "eth0", "name", "other");
    const notice = (await torn) as Extract<Notice, { type: "present" }>;
    expect(drivers.link.same?.(near.value as never, notice.row.value as never)).toBe(false);
    const replace = { verb: "replace", row: near, was: notice.row.value } as never;
    expect(await drivers.link.apply(net.scope, [replace])).toEqual([undefined]);
    expect(witness("ip", container.name, "link").map(({ ifname }) => ifname)).toEqual(["lo", "eth0"]);
  });

  test("needs its bridge and its container", async () => {
    const net = await freshNamespace(kernel);
    const container = freshContainer();
    const pair = (master: string | undefined, scope: Scope) =>
      row("link", net.scope, "skc1", {
        type: "veth",
        mtu,
        up: true,
        ...(master && { master }),
        peer: { scope, name: "eth0" },
      });
    expect(await apply(drivers, "add", pair("br0", container.scope))).toMatchObject({ code: "ENODEV" });
    expect(await apply(drivers, "add", pair(undefined, "at:/run/netns/nobody"))).toMatchObject({
      code: "NETNS_MISSING",
    });
    expect(witness("ip", net.name, "link").map(({ ifname }) => ifname)).toEqual(["lo"]);
    container.ip("link", "add", "eth0", "type", "bridge");
    expect(await apply(drivers, "add", pair(undefined, container.scope))).toMatchObject({ code: "EEXIST" });
  });

  test("of another type takes the place of what has its name", async () => {
    const { net, find } = await plane();
    const bridge = row("link", net.scope, "vx0", { type: "bridge", mtu, up: true });
    expect(await apply(drivers, "add", bridge)).toBeUndefined();
    expect(witness("ip", net.name, "link", "show", "vx0")).toMatchObject([{ linkinfo: { info_kind: "bridge" } }]);
    expect(await apply(drivers, "add", find("link", "vx0"))).toBeUndefined();
    expect(witness("ip", net.name, "link", "show", "vx0")).toMatchObject([{ linkinfo: { info_kind: "vxlan" } }]);
  });
});

test("a VXLAN device sends from its own port where it is wished to, and is made anew for it", async () => {
  const { net, find, rows, container } = await plane();
  const free = find("link", "vx0") as Extract<Row, { kind: "link" }>;
  const fixed = { ...free, value: { ...free.value, fixedSource: true } } as Row;
  for (const [wish, range] of [
    [fixed, { low: 14789, high: 14790 }],
    [free, { low: 0, high: 0 }],
  ] as const) {
    expect(await apply(drivers, "add", wish)).toBeUndefined();
    expect(witness("ip", net.name, "link", "show", "vx0")).toMatchObject([
      { linkinfo: { info_data: range.low === 0 ? { port: 14789 } : { port_range: range } } },
    ]);
    const found = (await drivers.link.list(net.scope)).find(({ key }) => key === "vx0");
    expect(drivers.link.same?.(wish.value as never, found?.value as never)).toBe(true);
    const other = wish === fixed ? free : fixed;
    expect(drivers.link.same?.(other.value as never, found?.value as never)).toBe(false);
  }
  await addAll(drivers, rows);
  await expectHeld(drivers, rows, [net.scope, container.scope]);
});

test("a bridge keeps its MTU whatever port comes or goes", async () => {
  const net = await freshNamespace(kernel);
  // The default, which the kernel does not count as set by anybody.
  await addAll(drivers, [row("link", net.scope, "br0", { type: "bridge", mtu: 1500, up: true })]);
  net.run("ip", "link", "add", "port", "mtu", "1400", "master", "br0", "type", "veth", "peer", "name", "far");
  expect(witness("ip", net.name, "link", "show", "br0")).toMatchObject([{ mtu: 1500 }]);
  net.run("ip", "link", "del", "port");
  expect(witness("ip", net.name, "link", "show", "br0")).toMatchObject([{ mtu: 1500 }]);
});

test("a container's namespace is let go when nothing of ours is left inside", async () => {
  const { container, net, find } = await plane();
  const held = () =>
    readdirSync("/proc/self/fd").filter((fd) => {
      // The descriptor of this very listing is gone by now.
      const file = statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false });
      return file?.ino === statSync(container.path).ino;
    });
  expect(held()).toHaveLength(1);
  await removeAll(drivers, [find("link", "skc1")]);
  await expect.poll(held).toEqual([]);
  await addAll(drivers, [find("link", "skc1"), find("link", "eth0")]);
  expect((await drivers.link.list(container.scope)).map(({ key }) => key)).toEqual(["eth0"]);
  expect(net.run("ip", "link")).toContain("skc1");
});

describe("many rows", () => {
  const many = 10_000;

  function blocks(scope: Scope): Row[] {
    return Array.from({ length: many }, (_, index) => {
      const dst = cidr(`10.${64 + (index >> 14)}.${(index >> 6) & 255}.${(index << 2) & 255}/30`);
      return row("route", scope, dst, {
        type: "unicast",
        dst,
        dev: "br0",
        via: remote.agent,
        onlink: true,
        scope: "global",
      });
    });
  }

  test("10,000 routes go in and come out, each with its own answer", async () => {
    const net = await freshNamespace(kernel);
    await addAll(drivers, [row("link", net.scope, "br0", { type: "bridge", mtu, up: true })]);
    const rows = blocks(net.scope);
    const bad = { ...rows[77], value: { ...rows[77]?.value, dev: "nobody" } } as Row;
    const operations = rows.with(77, bad).map((each) => ({ verb: "add", row: each }) as never);
    const failures = await drivers.route.apply(net.scope, operations);
    expect(failures.flatMap((failure, index) => (failure ? [[index, failure.code]] : []))).toEqual([[77, "ENODEV"]]);
    expect(run("ip", "-n", net.name, "route").trim().split("\n")).toHaveLength(many - 1);
    expect(await drivers.route.list(net.scope)).toHaveLength(many - 1);
    const removals = rows.map((each) => ({ verb: "remove", row: each }) as never);
    expect((await drivers.route.apply(net.scope, removals)).every((failure) => failure === undefined)).toBe(true);
    expect(run("ip", "-n", net.name, "route")).toBe("");
  });

  test("whose notifications overflow are to be listed again", async () => {
    const small = await openKernel({ eventBufferBytes: 32 * 1024 });
    onTestFinished(() => small.close());
    const overflowing = driversOf(small);
    const net = await freshNamespace(small);
    await addAll(overflowing, [row("link", net.scope, "br0", { type: "bridge", mtu, up: true })]);
    const relist = nextNotice(overflowing, ({ type }) => type === "relist");
    const rows = blocks(net.scope);
    const failures = await overflowing.route.apply(
      net.scope,
      rows.map((each) => ({ verb: "add", row: each }) as never),
    );
    expect(failures.every((failure) => failure === undefined)).toBe(true);
    expect(await relist).toMatchObject({ scope: net.scope, kinds: expect.arrayContaining(["link", "route"]) });
    expect(await overflowing.route.list(net.scope)).toHaveLength(many);
    // And it is followed on.
    const told = nextNotice(overflowing, isAbsent("route", rows[5]?.key ?? ""));
    net.run("ip", "route", "del", rows[5]?.key ?? "");
    await told;
  });
});
