import type { KeyObject } from "node:crypto";
import { ask } from "./vici/commands.ts";
import type { ViciConnection } from "./vici/connection.ts";
import { list, text } from "./vici/message.ts";

/** What this host proves itself by: its own keys, as many as connections still name, or the secret of all hosts. */
export type Credentials = { type: "pubkey"; keys: readonly KeyObject[] } | { type: "psk"; secret: Uint8Array };

/** charon's name for the one secret; telling it again replaces it. */
const secretName = "skein";

/** Tells charon these and takes all others from it; keys first come, then go, so that none is missing in between. */
export async function loadCredentials(connection: ViciConnection, credentials: Credentials): Promise<void> {
  const kept = new Set<string | undefined>();
  if (credentials.type === "pubkey")
    for (const key of credentials.keys) {
      const data = key.export({ type: "pkcs8", format: "der" });
      kept.add(text(await ask(connection, "load-key", { type: "any", data }), "id"));
    }
  else await ask(connection, "load-shared", { id: secretName, type: "IKE", data: credentials.secret, owners: [] });
  for (const id of list(await ask(connection, "get-keys", {}), "keys"))
    if (!kept.has(id)) await ask(connection, "unload-key", { id });
  for (const id of list(await ask(connection, "get-shared", {}), "keys"))
    if (credentials.type !== "psk" || id !== secretName) await ask(connection, "unload-shared", { id });
}
