import { describe, expect, test } from "vitest";
import { policyKey, type Row } from "../../src/desired/rows.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import { cidr, ip, mac } from "../../src/model/address.ts";
import type { Notice } from "../../src/reconcile/kind.ts";

const namespace: Row = { kind: "namespace", scope: "host", key: "skein-blue", value: {}, because: [] };
const bridge: Row = {
  kind: "link",
  scope: "net:blue",
  key: "br0",
  value: { type: "bridge", mtu: 1450, up: true },
  because: [],
};
const near: Row = {
  kind: "link",
  scope: "net:blue",
  key: "sk1",
  value: { type: "veth", mtu: 1450, up: true, master: "br0", peer: { scope: "at:/run/netns/mongo", name: "eth0" } },
  because: [],
};
const route: Row = {
  kind: "route",
  scope: "net:blue",
  key: "10.42.0.0/24",
  value: { type: "unicast", dst: cidr("10.42.0.0/24"), dev: "br0", scope: "link" },
  because: [],
};

function apply(kernel: ReturnType<typeof fakeKernel>, verb: "add" | "remove", row: Row) {
  return kernel.drivers[row.kind].apply(row.scope, [{ verb, row } as never]).then(([failure]) => failure?.code);
}

describe("the fake kernel", () => {
  test("holds rows that come in order and prints them as an operator reads them", async () => {
    const kernel = fakeKernel();
    for (const row of [namespace, bridge, near, route]) expect(await apply(kernel, "add", row)).toBeUndefined();
    expect(kernel.print().replaceAll(/ address fe:00:\S+/g, "")).toBe(
      [
        "link br0 mtu 1450 up type bridge in skein-blue",
        "link eth0 mtu 1450 up type veth-peer in /run/netns/mongo",
        "link sk1 mtu 1450 up master br0 type veth peer eth0 netns /run/netns/mongo in skein-blue",
        "netns skein-blue",
        "route 10.42.0.0/24 dev br0 scope link in skein-blue",
      ].join("\n"),
    );
    expect(kernel.writes).toBe(4);
  });

  test("refuses what the real one refuses", async () => {
    const kernel = fakeKernel();
    expect(await apply(kernel, "add", bridge)).toBe("NETNS_MISSING");
    await apply(kernel, "add", namespace);
    expect(await apply(kernel, "add", route)).toBe("ENODEV");
    expect(await apply(kernel, "add", near)).toBe("ENODEV");
    await apply(kernel, "add", bridge);
    expect(await apply(kernel, "add", bridge)).toBe("EEXIST");
    kernel.vanish("at:/run/netns/mongo");
    expect(await apply(kernel, "add", near)).toBe("NETNS_MISSING");
    expect(await apply(kernel, "remove", route)).toBeUndefined();
  });

  test("drops with a link what hangs on it, and says only that it must be listed again", async () => {
    const kernel = fakeKernel();
    for (const row of [namespace, bridge, near, route]) await apply(kernel, "add", row);
    const notices: Notice[] = [];
    kernel.drivers.link.notices$.subscribe((notice) => notices.push(notice));
    kernel.remove(bridge);
    expect(notices).toMatchObject([
      { type: "absent", kind: "link", key: "br0" },
      { type: "relist", scope: "net:blue" },
    ]);
    expect(await kernel.drivers.route.list("net:blue")).toEqual([]);
  });

  test("fails as it was told to, once", async () => {
    const kernel = fakeKernel();
    kernel.failNext("namespace", { code: "ENOMEM", message: "no memory", next: "retry" });
    expect(await apply(kernel, "add", namespace)).toBe("ENOMEM");
    expect(await apply(kernel, "add", namespace)).toBeUndefined();
  });

  test("takes any address of a link for right where the wish names none", async () => {
    const kernel = fakeKernel();
    for (const row of [namespace, bridge]) await apply(kernel, "add", row);
    const [found] = await kernel.drivers.link.list("net:blue");
    const { same } = kernel.drivers.link;
    expect(found?.value.mac).toBeDefined();
    expect(same?.(bridge.value as never, found!.value)).toBe(true);
    expect(same?.({ ...found!.value, mac: mac("02:53:0a:2a:00:01") }, found!.value)).toBe(false);
    expect(
      same?.(bridge.value as never, { type: "vxlan", vni: 1, local: ip("10.0.0.1"), port: 4789, mtu: 1450, up: true }),
    ).toBe(false);
  });

  test("has one xfrm interface of a number, whatever namespace it is in", async () => {
    const kernel = fakeKernel();
    const red: Row = { ...namespace, key: "skein-red" };
    const xfrm = (scope: Row["scope"], ifId: number): Row => ({
      kind: "link",
      scope,
      key: "xf0",
      value: { type: "xfrm", ifId, mtu: 1400, up: true },
      because: [],
    });
    for (const row of [namespace, red, xfrm("net:blue", 0x53000001)])
      expect(await apply(kernel, "add", row)).toBeUndefined();
    expect(await apply(kernel, "add", xfrm("net:red", 0x53000001))).toBe("EEXIST");
    expect(await apply(kernel, "add", xfrm("net:red", 0x53000002))).toBeUndefined();
    expect(kernel.print()).toContain("type xfrm if_id 0x53000002 in skein-red");
  });

  test("holds policies of the host alone, by what the kernel knows them by", async () => {
    const kernel = fakeKernel();
    const value = {
      dir: "out",
      src: cidr("10.99.0.1/32"),
      dst: cidr("10.99.0.2/32"),
      udp: 4789,
      priority: 8300,
      mode: "transport",
      reqid: 7,
    } as const;
    const policy: Row = { kind: "policy", scope: "host", key: policyKey(value), value, because: [] };
    expect(await apply(kernel, "add", policy)).toBeUndefined();
    await apply(kernel, "add", namespace);
    await expect(apply(kernel, "add", { ...policy, scope: "net:blue" })).rejects.toThrow("Cannot add policy");
    await expect(apply(kernel, "add", { ...policy, key: "out" })).rejects.toThrow("Cannot add policy");
  });

  test("drops with a connection its children, and lets none be without", async () => {
    const kernel = fakeKernel();
    const connection: Row = {
      kind: "tunnel",
      scope: "host",
      key: "conn-h2",
      value: {
        type: "connection",
        host: "h2",
        local: ip("10.99.0.1"),
        remote: ip("10.99.0.2"),
        encap: true,
        auth: { type: "psk" },
      },
      because: [],
    };
    const child: Row = {
      ...connection,
      key: "conn-h2 child-blue",
      value: { type: "child", mode: "tunnel", selector: "0.0.0.0/0", label: "blue", reqid: 7, ifId: 1, proposals: [] },
    };
    expect(await apply(kernel, "add", child)).toBe("ENOENT");
    for (const row of [connection, child]) expect(await apply(kernel, "add", row)).toBeUndefined();
    kernel.remove(connection);
    expect(await kernel.drivers.tunnel.list("host")).toEqual([]);
  });
});
