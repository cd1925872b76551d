import { z } from "zod";
import { type Cidr, isCidr } from "./address.ts";
import { nameSchema } from "./record.ts";

/**
 * `keyspaces/<net>/blocks/<address>-<length>`: a range of the network's addresses that one host hands out and is routed for.
 * A block is taken in two steps: keys alone cannot tell two blocks of unequal length that overlap, so a host first says
 * what it is about to take, then looks whether somebody older has part of it, and only then has it.
 */
export const blockSchema = z
  .object({
    host: nameSchema.meta({ description: "The host that holds the block" }),
    state: z
      .enum(["pending", "confirmed"])
      .optional()
      .meta({ description: "Pending: asked for, nothing is routed or given out yet. Absent: confirmed" }),
  })
  .meta({ id: "block", description: "A block of addresses and its host" });

export type Block = z.infer<typeof blockSchema>;

/** Whether the host has the block, rather than having asked for it. */
export function isConfirmed({ state }: Block): boolean {
  return state !== "pending";
}

/** `10.42.64.64-26` as the prefix it spells, or undefined. */
export function blockPrefix(name: string): Cidr | undefined {
  const prefix = name.replace("-", "/");
  return isCidr(prefix) ? prefix : undefined;
}

/** The name of a block's key; the inverse of `blockPrefix`. */
export function blockName(prefix: Cidr): string {
  return prefix.replace("/", "-");
}
