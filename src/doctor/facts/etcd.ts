import { readFileSync } from "node:fs";
import type { Config } from "../../config.ts";
import { type Client, connect } from "../../store/client.ts";
import type { ConnectOptions } from "../../store/connection.ts";
import type { EtcdFound } from "../found.ts";
import { reasonOf } from "./text.ts";

/** Asks each endpoint by itself: an agent is content with one that answers, an operator should know of the others. */
export async function findEtcd(endpoints: readonly string[], etcd: Partial<Config["etcd"]>): Promise<EtcdFound> {
  const asked = await Promise.all(endpoints.map((endpoint) => askEndpoint(endpoint, etcd)));
  return {
    endpoints: asked.map(({ endpoint }) => endpoint),
    // Each member tells of all.
    alarms: [...new Set(asked.flatMap(({ alarms }) => alarms))],
  };
}

async function askEndpoint(
  endpoint: string,
  etcd: Partial<Config["etcd"]>,
): Promise<{ endpoint: EtcdFound["endpoints"][number]; alarms: string[] }> {
  let client: Client | undefined;
  try {
    client = connect(optionsOf(endpoint, etcd));
    const { maintenance } = client.etcd;
    const { version } = await client.call("ask for its version", () => maintenance.status(), false);
    const { alarms } = await client.call("ask for alarms", () => maintenance.alarm({ action: "Get" }), false);
    return { endpoint: { endpoint, version }, alarms: alarms.map(({ alarm }) => String(alarm)) };
  } catch (cause) {
    return { endpoint: { endpoint, why: reasonOf(cause) }, alarms: [] };
  } finally {
    client?.close();
  }
}

function optionsOf(endpoint: string, { tls, user }: Partial<Config["etcd"]>): ConnectOptions {
  return {
    // The agent shows its own etcd's as etcdctl takes it.
    endpoints: [endpoint.replace(/^unix:\/\/+/, "unix:/")],
    ...(tls && { tls }),
    ...(user && { user: { name: user.name, password: readFileSync(user.passwordFile, "utf8").trimEnd() } }),
  };
}
