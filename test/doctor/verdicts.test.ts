import { describe, expect, it } from "vitest";
import { ciphers } from "../../src/desired/backends/esp.ts";
import { type Check, lacking } from "../../src/doctor/check.ts";
import { report } from "../../src/doctor/examine.ts";
import type { AgentFound, CharonFound, KernelFound } from "../../src/doctor/found.ts";
import { judgeAgent } from "../../src/doctor/verdicts/agent.ts";
import { isAtLeast, judgeCharon } from "../../src/doctor/verdicts/charon.ts";
import { judgeEtcd } from "../../src/doctor/verdicts/etcd.ts";
import { judgeForwarding } from "../../src/doctor/verdicts/forwarding.ts";
import { judgeClock, judgeDescriptors, judgeState } from "../../src/doctor/verdicts/host.ts";
import { judgeKernel } from "../../src/doctor/verdicts/kernel.ts";
import { judgePorts } from "../../src/doctor/verdicts/ports.ts";
import { judgePrivileges } from "../../src/doctor/verdicts/privileges.ts";
import { judgeConntrack, judgeNeighbours } from "../../src/doctor/verdicts/tables.ts";
import { judgeUnderlay } from "../../src/doctor/verdicts/underlay.ts";
import type { NetworkEntry } from "../../src/observe/answers.ts";
import { showStatus } from "../../src/observe/show-state.ts";
import { blue, fakeView } from "../observe/fake-view.ts";

/** As a person would read them: `wrong UDP 4500: charon (pid 7) -> stop it`. */
function read(checks: readonly Check[]): string[] {
  return checks.map(
    ({ verdict, name, found, remedy }) => `${verdict} ${name}: ${found}${remedy ? ` -> ${remedy}` : ""}`,
  );
}

/** What is not well, by verdict and name. */
function faults(checks: readonly Check[]): string[] {
  return checks.filter(({ verdict }) => verdict !== "well").map(({ verdict, name }) => `${verdict} ${name}`);
}

function running(given: Parameters<typeof fakeView>[0] = {}): AgentFound {
  return { state: "running", status: showStatus(fakeView(given)), networks: [] };
}

describe("an agent", () => {
  const calm = { rejected: () => [], braked: () => undefined };

  it("that is well has nothing to say", () => {
    const networks = () => [{ ...blue, failed: [], skipped: [], tunnels: { wanted: 2, up: 2 } }];
    expect(read(judgeAgent(running({ ...calm, networks })))).toEqual([
      "well agent: skein 0.1.0 as h1, ready",
      "well brake: none held",
      "well rows: 42 as declared",
      "well tunnels: 2 of 2 up",
      "well records: all do",
    ]);
  });

  it("that has troubles names them", () => {
    const networks = () => [{ ...blue, tunnels: { wanted: 2, up: 1, why: "h2: no answer" } }];
    const checks = judgeAgent(running({ networks }));
    expect(faults(checks)).toEqual(["wrong brake", "wrong rows", "wrong tunnels", "warning records"]);
    expect(read(checks).join()).toContain("1 of 2 up, the first that is not: h2: no answer");
  });

  it.each([
    [{ state: "none", why: "no socket" }, "systemctl start skein"],
    [{ state: "starting", why: "it is starting" }, "ask again in a moment"],
  ] as const)("%j is no fault of the host, and worth a word", (found, remedy) => {
    expect(judgeAgent(found)).toMatchObject([{ verdict: "warning", remedy: expect.stringContaining(remedy) }]);
  });
});

describe("privileges", () => {
  const all = (1n << 41n) - 1n;
  it.each([
    [{ uid: 0, capabilities: all }, []],
    [{ uid: 1000, capabilities: 0n }, ["wrong privileges"]],
    [{ uid: 0, capabilities: all & ~(1n << 21n) }, ["wrong privileges"]],
  ])("case %#", (found, expected) => {
    expect(faults(judgePrivileges(found))).toEqual(expected);
  });
});

describe("the kernel", () => {
  const whole: KernelFound = {
    release: "6.1.0-44-amd64",
    essentials: { has: [{ name: "bridges (CONFIG_BRIDGE, module bridge)" }] },
    ipsec: { missing: [], ciphers: Object.keys(ciphers) as (keyof typeof ciphers)[] },
    modules: { present: true, locked: false },
  };
  const noEsp = { missing: ["ESP (CONFIG_INET_ESP, module esp4)"], ciphers: [] };

  it("that has all is well, cipher by cipher", () => {
    const checks = judgeKernel(whole, true);
    expect(faults(checks)).toEqual([]);
    for (const cipher of Object.keys(ciphers)) expect(read(checks)).toContain(`well cipher ${cipher}: there`);
  });

  it("is wrong to lack IPsec where a network is encrypted, and may lack it elsewhere", () => {
    expect(faults(judgeKernel({ ...whole, ipsec: noEsp }, true))).toEqual(["wrong IPsec"]);
    expect(faults(judgeKernel({ ...whole, ipsec: noEsp }, false))).toEqual(["warning IPsec"]);
    expect(faults(judgeKernel({ ...whole, ipsec: noEsp }, undefined))).toEqual(["warning IPsec"]);
  });

  it.each([
    [{ present: true, locked: false }, "modprobe bridge;"],
    [{ present: false, locked: false }, "reboot after an upgrade"],
    [{ present: true, locked: true }, "modules_disabled"],
  ])("lacks a module: with %j the remedy is another", (modules, remedy) => {
    const essentials = { has: [{ name: "bridges (CONFIG_BRIDGE, module bridge)", failure: "EOPNOTSUPP" }] };
    expect(judgeKernel({ ...whole, essentials, modules }, false)[1]).toMatchObject({
      verdict: "wrong",
      found: "none (EOPNOTSUPP)",
      remedy: expect.stringContaining(remedy),
    });
  });

  it("that has one cipher less gets a warning, and one that could not be asked is unknown", () => {
    const ipsec = { missing: [], ciphers: ["aes128-sha256"] as const };
    expect(faults(judgeKernel({ ...whole, ipsec }, true))).toEqual([
      "warning cipher aes128gcm16",
      "warning cipher aes256gcm16",
      "warning cipher chacha20poly1305",
    ]);
    const unread = { unread: "EPERM" };
    expect(faults(judgeKernel({ ...whole, essentials: unread, ipsec: unread }, true))).toEqual([
      "unknown networks",
      "unknown IPsec",
    ]);
  });

  it.each([
    ["5.17.0", ["warning release"]],
    ["5.18.0", []],
    ["6.0-rc1", []],
    ["4.19.0-27-amd64", ["warning release"]],
  ])("of release %s", (release, expected) => {
    expect(faults(judgeKernel({ ...whole, release }, false))).toEqual(expected);
  });
});

describe("charon", () => {
  const plugins = ["kernel-netlink", "socket-default", "vici", "nonce", "pubkey", "pkcs1", "hmac", "kdf", "openssl"];
  const well: CharonFound = {
    binary: "/usr/sbin/charon-systemd",
    installed: "5.9.8",
    socket: "/run/skein/charon.vici",
    vici: { answers: true, version: "charon-systemd 5.9.8", plugins },
  };
  const silent = { answers: false, why: "ENOENT" } as const;
  const { binary: _, installed: __, ...absent } = { ...well, vici: silent };

  it.each<[string, CharonFound, boolean | undefined, string[]]>([
    ["is there", well, true, []],
    ["is not installed, and needed", absent, true, ["wrong installed"]],
    ["is not installed, and not needed", absent, false, ["warning installed"]],
    ["does not run, and is needed", { ...well, vici: silent }, true, ["wrong running"]],
    ["does not run, and is not needed", { ...well, vici: silent }, false, []],
    ["does not run, and nobody knows", { ...well, vici: silent }, undefined, ["warning running"]],
    ["is too old", { ...well, vici: { answers: true, version: "charon 5.9.5", plugins } }, true, ["wrong version"]],
    [
      "lacks a plugin",
      { ...well, vici: { ...well.vici, plugins: plugins.slice(1) } as CharonFound["vici"] },
      true,
      ["wrong plugins"],
    ],
  ])("%s", (_name, found, isEncrypted, expected) => {
    expect(faults(judgeCharon(found, isEncrypted))).toEqual(expected);
  });

  it.each([
    ["5.9.6", true],
    ["5.9.14", true],
    ["6.0.0", true],
    ["5.9.6dr1", true],
    ["5.9.5", false],
    ["5.8.99", false],
    ["4.10", false],
  ])("of version %s is at least 5.9.6: %s", (version, expected) => {
    expect(isAtLeast(version, [5, 9, 6])).toBe(expected);
  });
});

describe("ports", () => {
  const charon = { pid: 7, name: "charon-systemd" };
  const other = { pid: 8, name: "charon" };

  it("are well where they are charon's or nobody's", () => {
    expect(read(judgePorts({ bound: [] }, [4789], undefined))).toEqual([
      "well UDP 500: nobody",
      "well UDP 4500: nobody",
      "well UDP 4789: nobody",
    ]);
    const bound = [{ port: 500, owner: charon }, { port: 4500, owner: charon }, { port: 4789 }, { port: 4789 }];
    expect(read(judgePorts({ bound, charon }, [4789, 4789], true))).toEqual([
      "well UDP 500: charon-systemd (pid 7)",
      "well UDP 4500: charon-systemd (pid 7)",
      "well UDP 4789: the kernel",
    ]);
  });

  it("are wrong where another charon has them, which is to be stopped", () => {
    const bound = [{ port: 500, owner: other }];
    expect(read(judgePorts({ bound, charon }, [4789], true)).slice(0, 2)).toEqual([
      "wrong UDP 500: charon (pid 8) -> stop it, as in systemctl disable --now strongswan-starter, then systemctl restart skein-charon",
      expect.stringContaining("wrong UDP 4500: nobody, though charon-systemd (pid 7) is Skein's charon"),
    ]);
    expect(faults(judgePorts({ bound }, [], false))).toEqual(["warning UDP 500"]);
  });

  it("are wrong where a process has VXLAN's", () => {
    const bound = [{ port: 4789, owner: { pid: 9, name: "socat" } }];
    expect(read(judgePorts({ bound }, [4789], false)).at(-1)).toContain(
      "wrong UDP 4789: socat (pid 9) -> stop that process",
    );
    expect(faults(judgePorts({ bound }, [8472], false))).toEqual(["warning UDP 4789"]);
  });
});

describe("the underlay", () => {
  const sealing = { ciphers: Object.keys(ciphers) as (keyof typeof ciphers)[], encap: true };
  const eth0 = { dev: "eth0", mtu: 1500, rpFilter: 2 };
  const network = (given: Partial<NetworkEntry>): NetworkEntry => ({
    ...{ network: "blue", cidr: "10.42.0.0/16", backend: "vxlan", encrypted: false, internal: false },
    ...{ members: 2, containers: 3, joined: true },
    ...given,
  });

  it.each([
    [{ backend: "vxlan", encrypted: false }, "1450"],
    [{ backend: "host-gw", encrypted: false }, "1500"],
    // 1500 - 20 - 8 - 8 - 8 - 16 = 1440, of which two are the trailer's.
    [{ backend: "ipsec", encrypted: true }, "1438"],
    [{ backend: "vxlan", encrypted: true }, "1408"],
  ] as const)("of 1500 leaves %j room for %s", (given, room) => {
    expect(read(judgeUnderlay(eth0, [network(given)], sealing))).toContain(`well MTU of blue: ${room}`);
  });

  it.each([
    [{ ...eth0, mtu: 1300 }, {}, ["warning MTU", "warning MTU of blue"]],
    [eth0, { mtu: 9000 }, ["warning MTU of blue"]],
    [eth0, { mtu: 1000 }, ["warning MTU of blue"]],
    [eth0, { mtu: 1400 }, []],
    [{ ...eth0, rpFilter: 1 }, {}, ["warning rp_filter"]],
    [{ ...eth0, rpFilter: 0 }, {}, []],
  ])("%j with a network of %j", (found, given, expected) => {
    expect(faults(judgeUnderlay(found, [network(given)], sealing))).toEqual(expected);
  });

  it("that is not there is wrong, one that cannot be seen is not", () => {
    expect(faults(judgeUnderlay({ missing: "no eth9" }, [], sealing))).toEqual(["wrong interface"]);
    expect(faults(judgeUnderlay({ unread: "EPERM" }, [], sealing))).toEqual(["unknown interface"]);
  });
});

describe("forwarding", () => {
  const open = { ipForward: true, dropping: [], accepts: false, dockerUser: false };
  const docker = { ...open, dropping: ["ip filter FORWARD"], dockerUser: true };

  it.each([
    [open, 1, []],
    [{ ...open, ipForward: false }, 1, ["wrong ip_forward"]],
    [{ ...open, ipForward: false }, 0, []],
    [{ ...open, ipForward: false }, undefined, []],
    [docker, 1, ["wrong firewall"]],
    [docker, 0, ["warning firewall"]],
    [docker, undefined, ["warning firewall"]],
    [{ ...docker, accepts: true }, 1, []],
    [{ unread: "nft: no" }, 1, ["unknown firewall"]],
  ])("%j with %s ways out", (found, ways, expected) => {
    expect(faults(judgeForwarding(found, ways))).toEqual(expected);
  });

  it("has a remedy for who drops", () => {
    const remedyOf = (found: typeof docker) => judgeForwarding(found, 1)[1]?.remedy;
    expect(remedyOf(docker)).toContain("iptables -I DOCKER-USER -i sku-+ -j ACCEPT");
    expect(remedyOf({ ...docker, dockerUser: false })).toContain("iptables -I FORWARD -i sku-+ -j ACCEPT");
    expect(remedyOf({ ...open, dropping: ["inet firewall forward"] })).toContain(
      'nft insert rule inet firewall forward iifname "sku-*" accept',
    );
  });
});

describe("tables", () => {
  it.each([
    [{ entries: 819, permanent: 0, limit: 1024, refused: 0 }, []],
    [{ entries: 820, permanent: 0, limit: 1024, refused: 0 }, ["warning neighbours"]],
    [{ entries: 9000, permanent: 8900, limit: 1024, refused: 0 }, []],
    [{ entries: 10, permanent: 0, limit: 1024, refused: 3 }, ["warning neighbours"]],
    [{ unread: "not here" }, ["unknown neighbours"]],
  ])("of neighbours: %j", (found, expected) => {
    expect(faults(judgeNeighbours(found))).toEqual(expected);
  });

  it.each([
    [undefined, []],
    [{ count: 79, limit: 100 }, []],
    [{ count: 80, limit: 100 }, ["warning connections"]],
    [{ count: 100, limit: 100 }, ["wrong connections"]],
  ])("of connections: %j", (found, expected) => {
    expect(faults(judgeConntrack(found))).toEqual(expected);
  });
});

describe("etcd", () => {
  it.each([
    ["3.4.24", 1],
    ["3.4.25", 0],
    ["3.5.0", 1],
    ["3.5.7", 1],
    ["3.5.8", 0],
    ["3.6.1", 0],
  ])("of version %s has %i warnings", (version, count) => {
    expect(faults(judgeEtcd({ endpoints: [{ endpoint: "http://e", version }], alarms: [] }, undefined))).toHaveLength(
      count,
    );
  });

  it("that is away is wrong, a member that is away is not", () => {
    const away = { endpoint: "http://a", why: "no answer" };
    const there = { endpoint: "http://b", version: "3.5.9" };
    expect(faults(judgeEtcd({ endpoints: [away], alarms: [] }, undefined))).toEqual(["wrong http://a"]);
    expect(faults(judgeEtcd({ endpoints: [away, there], alarms: [] }, undefined))).toEqual(["warning http://a"]);
  });

  it("that is full or stale is wrong", () => {
    const stale = {
      endpoints: [],
      prefix: "/skein/v1/",
      embedded: false,
      staleSince: "2026-01-02T03:04:05Z",
      why: "no",
    };
    const found = { endpoints: [{ endpoint: "http://b", version: "3.5.9" }], alarms: ["NOSPACE"] };
    expect(faults(judgeEtcd(found, stale))).toEqual(["wrong alarm", "wrong records"]);
  });
});

describe("the host", () => {
  it.each([
    [{ isSynchronised: true, errorMs: 3.2 }, []],
    [{ isSynchronised: false, errorMs: 16_000 }, ["warning clock"]],
    [{ unread: "refused" }, ["unknown clock"]],
  ])("has a clock: %j", (found, expected) => {
    expect(faults(judgeClock(found))).toEqual(expected);
  });

  const path = "/var/lib/skein";
  const directory = { mode: 0o700, uid: 0, isVolatile: false };
  const key = { path: `${path}/host.key`, mode: 0o600, uid: 0 };
  it.each([
    [{ path, secrets: [] }, []],
    [{ path, directory, secrets: [key] }, []],
    [{ path, directory: { ...directory, mode: 0o755 }, secrets: [] }, []],
    [{ path, directory: { ...directory, mode: 0o777 }, secrets: [] }, ["wrong state"]],
    [{ path, directory: { ...directory, uid: 1000 }, secrets: [] }, ["wrong state"]],
    [{ path, directory: { ...directory, isVolatile: true }, secrets: [] }, ["wrong state"]],
    [{ path, directory, secrets: [], unseen: "EACCES" }, ["unknown secrets"]],
    [{ path, directory, secrets: [{ ...key, mode: 0o640 }] }, ["wrong secret"]],
    [{ path, directory, secrets: [{ ...key, uid: 1000 }] }, ["wrong secret"]],
  ])("has a state directory: case %#", (found, expected) => {
    expect(faults(judgeState(found))).toEqual(expected);
  });

  it("has descriptors left", () => {
    expect(faults(judgeDescriptors({ open: 79, limit: 100 }))).toEqual([]);
    expect(faults(judgeDescriptors({ open: 80, limit: 100 }))).toEqual(["warning descriptors"]);
  });
});

it("a host is healthy as long as nothing is wrong", () => {
  expect(lacking(true)).toBe("wrong");
  const warning = judgeClock({ isSynchronised: false, errorMs: 1 });
  expect(report(warning).healthy).toBe(true);
  expect(report([...warning, ...judgePrivileges({ uid: 1, capabilities: 0n })]).healthy).toBe(false);
});
