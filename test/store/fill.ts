import type { Client } from "../../src/store/client.ts";
import type { Write } from "../../src/store/transaction.ts";

/** Puts `count` keys, `<prefix>000000` on, in transactions of 100. */
export async function fill(client: Client, prefix: string, count: number, value = "v"): Promise<void> {
  for (let from = 0; from < count; from += 100) {
    const writes = Array.from({ length: Math.min(100, count - from) }, (_, i): Write => {
      return { type: "put", key: `${prefix}${String(from + i).padStart(6, "0")}`, value };
    });
    await client.commit([], writes);
  }
}
