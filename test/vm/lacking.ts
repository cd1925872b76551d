import type { Ipsec } from "../../src/desired/inputs.ts";
import { probeIpsec } from "../../src/kernel/capabilities.ts";
import { openKernel } from "../../src/kernel/open.ts";

/** What encrypted networks need and this machine's kernel does not have, and the ciphers that it has. */
export async function lackingHere(): Promise<Pick<Ipsec, "missing" | "ciphers">> {
  const kernel = await openKernel();
  try {
    return await probeIpsec(kernel);
  } finally {
    await kernel.close();
  }
}
