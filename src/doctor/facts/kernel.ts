import { existsSync } from "node:fs";
import { release } from "node:os";
import { probeIpsec } from "../../kernel/capabilities.ts";
import { probeEssentials } from "../../kernel/essentials.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelFound, Read } from "../found.ts";
import { numberOf, reasonOf } from "./text.ts";

/** Asks the kernel for each thing, in a namespace of its own that is gone afterwards; it loads modules for that. */
export async function findKernel(kernel: Kernel): Promise<KernelFound> {
  const running = release();
  return {
    release: running,
    essentials: await attempt(async () => ({ has: await probeEssentials(kernel) })),
    ipsec: await attempt(async () => {
      const { missing, ciphers } = await probeIpsec(kernel);
      return { missing, ciphers };
    }),
    modules: {
      present: existsSync(`/lib/modules/${running}`),
      locked: numberOf("/proc/sys/kernel/modules_disabled") === 1,
    },
  };
}

async function attempt<T>(read: () => Promise<T>): Promise<Read<T>> {
  try {
    return await read();
  } catch (cause) {
    return { unread: reasonOf(cause) };
  }
}
