import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "pino";

/**
 * Tells the service manager, where there is one that listens. Node has no datagram sockets of the unix family, so
 * systemd's own tool does it, which comes with it; the unit must say NotifyAccess=all.
 *
 * @param state as in sd_notify(3): `READY=1`
 */
export async function tellSystemd(state: readonly string[], log: Logger): Promise<void> {
  if (!process.env.NOTIFY_SOCKET) return;
  try {
    await promisify(execFile)("systemd-notify", [...state], { timeout: 5_000 });
    log.debug(`told systemd ${state[0]}`);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message.trim() : String(cause);
    log.warn(`Cannot tell systemd ${state[0]}: expected systemd-notify to do it, got ${text}`);
  }
}
