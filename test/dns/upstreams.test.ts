import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ZoneSettings } from "../../src/dns/facts.ts";
import { createServer } from "../../src/dns/server.ts";
import { hostUpstreams, readServers, type Upstream } from "../../src/dns/upstreams.ts";
import { queryOf } from "./zone.ts";

/** A resolv.conf in the host's place, and a clock that is put forward. */
function host() {
  const directory = mkdtempSync(join(tmpdir(), "skein-resolv-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "resolv.conf");
  const clock = { ms: 0 };
  const upstreams = hostUpstreams(file, () => clock.ms);
  return {
    clock,
    upstreams,
    addresses: () => upstreams().map(({ address }) => address),
    // Always of one age, as two writes within a tick of the file system's clock are.
    write(...servers: string[]) {
      writeFileSync(file, servers.map((server) => `nameserver ${server}\n`).join(""));
      utimesSync(file, 1, 1);
    },
    remove: () => rmSync(file),
  };
}

test("the host's servers are those of its file, but for our own", () => {
  const text =
    "search x\nnameserver 192.0.2.1 # a\nnameserver 169.254.169.250\n;nameserver 1.1.1.1\nnameserver fe80::1%eth0\nnameserver nonsense\n";
  expect(readServers(text).map(({ address }) => address)).toEqual(["192.0.2.1", "fe80::1%eth0"]);
});

test("a change of the host's file is followed within a second, even one that its size and age do not show", () => {
  const { write, addresses, clock } = host();
  write("192.0.2.1");
  expect(addresses()).toEqual(["192.0.2.1"]);
  write("192.0.2.2");
  clock.ms = 999;
  expect(addresses()).toEqual(["192.0.2.1"]);
  clock.ms = 1000;
  expect(addresses()).toEqual(["192.0.2.2"]);
  write("192.0.2.3", "192.0.2.4");
  clock.ms = 2000;
  expect(addresses()).toEqual(["192.0.2.3", "192.0.2.4"]);
});

test("a file that comes later is found, and one that went is remembered", () => {
  const { write, remove, addresses, clock } = host();
  expect(addresses()).toEqual([]);
  write("192.0.2.1");
  clock.ms = 1000;
  expect(addresses()).toEqual(["192.0.2.1"]);
  remove();
  clock.ms = 2000;
  expect(addresses()).toEqual(["192.0.2.1"]);
});

test("the host's servers are asked for a network that names none, and they alone; its own for one that does", async () => {
  const { write, upstreams, clock } = host();
  const asked: (readonly Upstream[])[] = [];
  const server = createServer({
    forwarder: { ask: async (_message, _end, given) => void asked.push(given) },
    upstreams,
    catchUp() {},
  });
  const settings: ZoneSettings = { domain: "a.example", cidr: "10.42.0.0/16", ttl: 1, whenUnhealthy: "empty" };
  server.take({ type: "zone", net: "plain", settings });
  server.take({ type: "zone", net: "choosy", settings: { ...settings, upstreams: ["198.51.100.1"] } });
  write("192.0.2.1", "192.0.2.2");
  for (const net of ["plain", "choosy"]) await server.serve(net, queryOf("example.com"), "udp");
  write("192.0.2.3");
  clock.ms = 1000;
  await server.serve("plain", queryOf("example.com"), "udp");
  const addresses = asked.map((given) => given.map(({ address, port }) => `${address}:${port}`));
  expect(addresses).toEqual([["192.0.2.1:53", "192.0.2.2:53"], ["198.51.100.1:53"], ["192.0.2.3:53"]]);
});
