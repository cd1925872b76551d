import { allClaims } from "../../src/ipam/claim-store.ts";
import type { KnownClaim } from "../../src/ipam/pool.ts";
import type { Container } from "../../src/model/container.ts";
import { decode } from "../../src/model/decode.ts";
import type { Client } from "../../src/store/client.ts";
import { maxWrites, type Write } from "../../src/store/transaction.ts";

/** One network of an installation in etcd, as its user writes it and as etcd holds it. */
export interface Installation {
  client: Client;
  /** Declares containers `c0`, `c1`, ... of a host, without addresses. */
  containers(host: string, count: number, from?: number): Promise<void>;
  container(host: string, id: string, more?: object): Promise<void>;
  remove(host: string, id: string): Promise<void>;
  /** Every container's address, by `host/id`, as etcd has it; those without one are left out. */
  addresses(): Promise<Map<string, string>>;
  claims(): Promise<Map<string, KnownClaim["claim"]>>;
}

export async function installation(client: Client, hosts: readonly string[], network: object): Promise<Installation> {
  const key = (host: string, id: string) => `keyspaces/blue/containers/${host}/${id}`;
  await write(client, [
    put("networks/blue", { backend: { type: "vxlan", vni: 7 }, ...network }),
    ...hosts.map((host, n) => put(`hosts/${host}`, { address: `192.168.0.${n + 1}` })),
  ]);
  return {
    client,
    containers: (host, count, from = 0) =>
      write(
        client,
        Array.from({ length: count }, (_, n) => put(key(host, `c${from + n}`), { name: `c${from + n}` })),
      ),
    container: (host, id, more = {}) => write(client, [put(key(host, id), { name: id, ...more })]),
    async remove(host, id) {
      await client.remove(key(host, id));
    },
    async addresses() {
      const { records } = await client.range("keyspaces/blue/containers/");
      return new Map(
        records.flatMap(({ key, value }): [string, string][] => {
          const decoded = decode(key, value);
          const ip = decoded && "path" in decoded ? (decoded.value as Container).ip : undefined;
          return ip === undefined ? [] : [[key.split("/").slice(3).join("/"), ip]];
        }),
      );
    },
    async claims() {
      const found = new Map<string, KnownClaim["claim"]>();
      for await (const { ip, claim } of allClaims(client, "blue")) found.set(ip, claim);
      return found;
    },
  };
}

function put(key: string, value: object): Write {
  return { type: "put", key, value: JSON.stringify(value) };
}

async function write(client: Client, writes: readonly Write[]): Promise<void> {
  for (let i = 0; i < writes.length; i += maxWrites) await client.commit([], writes.slice(i, i + maxWrites));
}
