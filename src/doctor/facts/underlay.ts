import type { Kernel } from "../../kernel/kernel.ts";
import { watchUnderlay } from "../../kernel/underlay.ts";
import type { NoUnderlay, Read, UnderlayFound } from "../found.ts";
import { numberOf, reasonOf } from "./text.ts";

/**
 * By netlink: what lies below /sys is of the network namespace that it was mounted in.
 *
 * @param wanted a device or one of its addresses, as the configuration has it
 */
export async function findUnderlay(kernel: Kernel, wanted: string): Promise<Read<UnderlayFound | NoUnderlay>> {
  try {
    const { dev, mtu } = (await watchUnderlay(kernel, wanted)).now();
    const filter = (name: string) => numberOf(`/proc/sys/net/ipv4/conf/${name}/rp_filter`) ?? 0;
    return { dev, mtu, rpFilter: Math.max(filter("all"), filter(dev)) };
  } catch (cause) {
    const why = reasonOf(cause);
    return process.getuid?.() === 0 ? { missing: why } : { unread: why };
  }
}
