import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { settingsOf } from "../src/cli/agent.ts";
import { ConfigError, defaultRouteDevice, readConfig, type Settings } from "../src/config.ts";

const directory = mkdtempSync(join(tmpdir(), "skein-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: string): string {
  const path = join(directory, "agent.json");
  writeFileSync(path, content);
  return path;
}

/** Enough that nothing is asked of this machine. */
const least = { host: "h1", underlay: "eth0" };

describe("configuration", () => {
  it("has defaults for all but where the host is", () => {
    expect(readConfig(least)).toEqual({
      host: "h1",
      etcd: { endpoints: [] },
      prefix: "/skein/v1",
      underlay: "eth0",
      ipsec: { vici: "/run/skein/charon.vici", encapsulation: true },
      state: "/var/lib/skein",
      socket: "/run/skein/agent.sock",
      uplinks: "169.254.64.0/18",
      netnsDirectories: ["/run/netns"],
      resolvConf: "/etc/resolv.conf",
      linger: 60,
      sweep: 30,
      log: "info",
    });
  });

  it("lays flags over the file, also inside etcd", () => {
    const path = file(
      JSON.stringify({
        host: "filed",
        underlay: "192.0.2.7",
        linger: 5,
        etcd: { endpoints: ["http://192.0.2.10:2379"], user: { name: "h1", passwordFile: "/etc/skein/password" } },
      }),
    );
    expect(readConfig({ host: "flagged", etcd: { endpoints: ["http://192.0.2.11:2379"] } }, path)).toMatchObject({
      host: "flagged",
      underlay: "192.0.2.7",
      linger: 5,
      etcd: { endpoints: ["http://192.0.2.11:2379"], user: { name: "h1", passwordFile: "/etc/skein/password" } },
    });
  });

  it("lays flags over the file inside ipsec, too", () => {
    const path = file(JSON.stringify({ ...least, ipsec: { encapsulation: false } }));
    expect(readConfig({ ipsec: { vici: "/run/vici" } }, path).ipsec).toEqual({
      vici: "/run/vici",
      encapsulation: false,
    });
  });

  it("takes the file of a secret of all hosts, in place of keys of their own", () => {
    const path = file(JSON.stringify({ ...least, ipsec: { pskFile: "/etc/skein/psk" } }));
    expect(readConfig({}, path).ipsec.pskFile).toBe("/etc/skein/psk");
    expect(readConfig(settingsOf({ pskFile: "/run/psk" }), path).ipsec.pskFile).toBe("/run/psk");
    expect(() => readConfig({ ...least, ipsec: { pskFile: "psk" } })).toThrow(
      'ipsec.pskFile: expected an absolute path, got "psk"',
    );
  });

  const refused: [string, Settings, string][] = [
    ["an unknown name", { hots: "h1" } as Settings, "hots: expected a known name"],
    ["an unknown name further down", { etcd: { endpoint: "x" } }, "etcd.endpoint: expected a known name"],
    [
      "a bad host",
      { host: "a/b" },
      "host: expected a name of at most 63 letters, digits, '-', '_' and '.', got \"a/b\"",
    ],
    [
      "an endpoint without scheme",
      { etcd: { endpoints: ["192.0.2.1:2379"] } },
      "etcd.endpoints.0: expected http://HOST:PORT",
    ],
    ["a certificate without key", { etcd: { tls: { cert: "/c" } } }, "etcd.tls: expected cert and key together"],
    ["a relative path", { state: "var" }, 'state: expected an absolute path, got "var"'],
    ["a prefix without a slash", { prefix: "skein" }, "prefix: expected a path such as /skein/v1"],
    ["host bits", { uplinks: "169.254.64.1/18" }, "uplinks: expected"],
    ["a wrong type", { etcd: 3 }, "etcd: expected an object, got 3"],
    ["no namespaces anywhere", { netnsDirectories: [] }, "netnsDirectories: expected at least 1"],
  ];
  it.each(refused)("refuses %s, and says what was expected", (_, settings, message) => {
    expect(() => readConfig({ ...least, ...settings })).toThrow(ConfigError);
    expect(() => readConfig({ ...least, ...settings })).toThrow(message);
  });

  it.each([
    ["{", "expected a JSON object"],
    ["[1]", "expected a JSON object, got [1]"],
  ])("refuses a file with %s", (content, message) => {
    expect(() => readConfig(least, file(content))).toThrow(message);
  });

  it("names the file that is not there", () => {
    expect(() => readConfig(least, "/nowhere/agent.json")).toThrow("Cannot read configuration /nowhere/agent.json");
  });

  it("puts flags where the file has them", () => {
    const flags = { host: "h1", etcd: ["http://a"], etcdCa: "/ca", etcdUser: "u", etcdPasswordFile: "/p", color: true };
    expect(settingsOf(flags)).toEqual({
      host: "h1",
      etcd: { endpoints: ["http://a"], tls: { ca: "/ca" }, user: { name: "u", passwordFile: "/p" } },
    });
    expect(settingsOf({ linger: 5, encapsulation: true })).toEqual({ linger: 5 });
    expect(settingsOf({ vici: "/v", encapsulation: false })).toEqual({ ipsec: { vici: "/v", encapsulation: false } });
  });
});

describe("default underlay", () => {
  const head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

  it("is the device of the default route with the lowest metric", () => {
    const table = `${head}eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth1\t00000000\t010300C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n`;
    expect(defaultRouteDevice(table)).toBe("eth1");
  });

  it("must be named where there is none", () => {
    expect(() => defaultRouteDevice(head)).toThrow("Name it with --underlay");
  });
});
