import { z } from "zod";
import { type Cidr, isCidr } from "./address.ts";
import { nameSchema } from "./record.ts";

/** `keyspaces/<net>/blocks/<address>-<length>`: a range of the network's addresses that one host hands out and is routed for. */
export const blockSchema = z
  .object({ host: nameSchema.meta({ description: "The host that holds the block" }) })
  .meta({ id: "block", description: "A block of addresses and its host" });

export type Block = z.infer<typeof blockSchema>;

/** `10.42.64.64-26` as the prefix it spells, or undefined. */
export function blockPrefix(name: string): Cidr | undefined {
  const prefix = name.replace("-", "/");
  return isCidr(prefix) ? prefix : undefined;
}

/** The name of a block's key; the inverse of `blockPrefix`. */
export function blockName(prefix: Cidr): string {
  return prefix.replace("/", "-");
}
