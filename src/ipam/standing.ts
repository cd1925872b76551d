import { decode } from "../model/decode.ts";
import type { Client } from "../store/client.ts";
import type { Expectation } from "../store/transaction.ts";

/**
 * What to expect of a key where nothing should stand, or nothing that is a record: no host can read such a thing as its own,
 * so without this one garbled `members/<host>` would keep that host out of the network until somebody removed it.
 *
 * @returns `record` where one does stand there. @throws StoreError
 */
export async function standing(client: Pick<Client, "get">, key: string): Promise<Expectation["at"] | "record"> {
  const found = await client.get(key);
  const decoded = found && decode(found.key, found.value);
  if (found === undefined) return "absent";
  return decoded && "rejected" in decoded ? found.revision : "record";
}
