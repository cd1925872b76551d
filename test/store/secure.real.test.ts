import { Range } from "etcd3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../src/store/client.ts";
import { makeCertificates, removeCertificates } from "./certificates.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { mirror } from "./mirror.ts";
import { proxyTo } from "./proxy.ts";

const root = { name: "root", password: "of all" };
const host = { name: "h1", password: "its own" };
const soon = { quietMs: 300, answerMs: 300, refusedMs: 200, retryMs: [20, 200] as const };

describe("an etcd with mutual TLS and users", () => {
  const certificates = makeCertificates();
  let etcd: Etcd;
  let admin: Client;
  const permission = (area: string) => ({ permission: "Readwrite" as const, range: Range.prefix(admin.prefix + area) });
  /** Sees `hosts/` only, until it is granted more. */
  const asHost = (endpoint = etcd.endpoint) => etcd.client({ user: host, prefix: admin.prefix, endpoints: [endpoint] });

  beforeAll(async () => {
    const { ca, server, serverKey, client: cert, clientKey: key } = certificates;
    etcd = await startEtcd({
      connect: { tls: { ca, cert, key } },
      args: ["--cert-file", server, "--key-file", serverKey, "--trusted-ca-file", ca, "--client-cert-auth"],
    });
    // A client with a user serves before authentication is on, too.
    admin = etcd.client({ user: root });
    await admin.etcd.role("root").create();
    await (await admin.etcd.user("root").create(root.password)).addRole("root");
    await (await admin.etcd.role("h1").create()).grant(permission("hosts/"));
    await (await admin.etcd.user("h1").create(host.password)).addRole("h1");
    await admin.etcd.auth.authEnable();
  });
  afterAll(async () => {
    await etcd?.end();
    removeCertificates(certificates);
  });

  it("takes a token when authentication is switched on under a client that had none", async () => {
    await admin.put("hosts/h0", "{}");
    expect(await admin.get("hosts/h0")).toMatchObject({ key: "hosts/h0" });
  });

  it("refuses a client without certificate, without user, or with a wrong password", async () => {
    const { ca } = certificates;
    await expect(etcd.client({ tls: { ca }, user: root }).get("x")).rejects.toMatchObject({ code: "unavailable" });
    // Taken for the user its certificate names, which may do nothing.
    await expect(etcd.client().get("x")).rejects.toMatchObject({ code: "denied" });
    const wrong = etcd.client({ user: { ...root, password: "no" } });
    await expect(wrong.get("x")).rejects.toMatchObject({ code: "denied" });
  });

  it("says which keys are denied, and follows them once they are granted", async () => {
    const client = asHost();
    await client.put("hosts/h1", "{}");
    await expect(client.put("networks/blue", "{}")).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("Cannot put networks/blue"),
    });
    const hosts = mirror(client, "hosts/", soon);
    await hosts.next("fresh");
    const networks = mirror(client, "networks/", soon);
    expect(await networks.next("stale")).toMatchObject({
      code: "denied",
      why: expect.stringContaining("permission denied"),
    });
    await admin.etcd.role("h1").grant(permission("networks/"));
    await networks.next("fresh");
    await client.put("networks/blue", "{}");
    await networks.until(() => networks.keys.has("networks/blue"));
    await admin.etcd.role("h1").revoke(permission("networks/"));
  });

  it("goes on after every token was dropped and the line was cut", async () => {
    const line = await proxyTo(etcd.endpoint);
    try {
      const seen = mirror(asHost(line.endpoint.replace("http:", "https:")), "hosts/", soon);
      await seen.next("fresh");
      const before = seen.log.length;
      await admin.etcd.auth.authDisable();
      await admin.etcd.auth.authEnable();
      // A watch that stands needs no token; a new one does.
      await admin.put("hosts/h2", "{}");
      await seen.until(() => seen.keys.has("hosts/h2"));
      line.cut();
      await seen.next("fresh", before);
      await admin.put("hosts/h3", "{}");
      await seen.until(() => seen.keys.has("hosts/h3"));
    } finally {
      await line.end();
    }
  });

  it("goes on after a restart, which drops every token as well", async () => {
    const client = asHost();
    const seen = mirror(client, "hosts/", soon);
    await seen.next("fresh");
    const before = seen.log.length;
    await etcd.kill();
    await etcd.start();
    await seen.next("fresh", before);
    await client.put("hosts/h4", "{}");
    await seen.until(() => seen.keys.has("hosts/h4"));
  });
});
