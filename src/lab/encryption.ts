import { probeIpsec } from "../kernel/capabilities.ts";
import { openKernel } from "../kernel/open.ts";
import { hasCharon } from "./charon.ts";

/** What keeps hosts of a lab on this machine from carrying encrypted networks, in one line; `undefined` where nothing does. */
export async function unencrypted(): Promise<string | undefined> {
  const kernel = await openKernel();
  try {
    const { missing } = await probeIpsec(kernel);
    const lacking = (await hasCharon()) ? missing : [...missing, "charon-systemd, a package of Debian"];
    return lacking.length === 0 ? undefined : `Encrypted networks are refused here; missing: ${lacking.join("; ")}.`;
  } finally {
    await kernel.close();
  }
}
