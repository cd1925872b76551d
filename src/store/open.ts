import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { type Client, connect } from "./client.ts";
import { type Embedded, type EmbeddedEvent, startEmbedded } from "./embedded.ts";

/** The installation's etcd: the one configured, or one of this agent's own. */
export interface OpenEtcd {
  client: Client;
  description: { endpoints: readonly string[]; prefix: string; embedded: boolean };
  close(): Promise<void>;
}

/** @throws Error when an etcd of our own does not start, or a file of the configuration cannot be read */
export async function openEtcd(
  { etcd, prefix, state }: Config,
  tell: (event: EmbeddedEvent) => void,
): Promise<OpenEtcd> {
  const own: Embedded | undefined =
    etcd.endpoints.length === 0 ? await startEmbedded({ directory: join(state, "etcd"), tell }) : undefined;
  const endpoints = own ? [own.endpoint] : etcd.endpoints;
  const client = connect({
    endpoints,
    prefix,
    ...(etcd.tls && { tls: etcd.tls }),
    ...(etcd.user && {
      user: { name: etcd.user.name, password: readFileSync(etcd.user.passwordFile, "utf8").trimEnd() },
    }),
  });
  return {
    client,
    // Of our own: as etcdctl takes it. It is on no port, since whoever may write there rules the network.
    description: {
      endpoints: own ? [own.endpoint.replace("unix:", "unix://")] : endpoints,
      prefix,
      embedded: own !== undefined,
    },
    async close() {
      client.close();
      await own?.stop();
    },
  };
}
