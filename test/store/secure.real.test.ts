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
  beforeAll(async () => {
    const { ca, server, serverKey, client: cert, clientKey: key } = certificates;
    etcd = await startEtcd({
      connect: { tls: { ca, cert, key } },
      args: ["--cert-file", server, "--key-file", serverKey, "--trusted-ca-file", ca, "--client-cert-auth"],
    });
    admin = etcd.client({ user: root });
    const setUp = etcd.client().etcd;
    await setUp.role("root").create();
    await (await setUp.user("root").create(root.password)).addRole("root");
    await setUp.role("h1").create();
    await (await setUp.user("h1").create(host.password)).addRole("h1");
    await grant("hosts/");
    await setUp.auth.authEnable();
  });
  afterAll(async () => {
    await etcd?.end();
    removeCertificates(certificates);
  });

  const asHost = (endpoints = [etcd.endpoint]) => etcd.client({ user: host, prefix: admin.prefix, endpoints });
  async function grant(area: string, by = etcd.client({ prefix: admin.prefix })): Promise<void> {
    await by.etcd.role("h1").grant({ permission: "Readwrite", range: by.etcd.range ? rangeOf(by, area) : rangeOf(by, area) });
  }
});
