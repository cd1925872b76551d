import { parseKey } from "../model/keys.ts";
import type { Client } from "../store/client.ts";

/** Hosts whose agents hold the lease of their `alive/<host>`. @throws StoreError */
export async function aliveHosts(client: Client): Promise<Set<string>> {
  const { records } = await client.range("alive/");
  const hosts = new Set<string>();
  for (const { key } of records) {
    const path = parseKey(key);
    if (path?.type === "alive") hosts.add(path.host);
  }
  return hosts;
}
