import { z } from "zod";
import { ipSchema, macSchema } from "./record.ts";

/** `keyspaces/<net>/members/<host>`, written by that host's agent when its first container of the network comes. */
export const memberSchema = z
  .object({
    address: ipSchema.meta({ description: "The agent address: what traceroute shows, and the next hop of tunnels" }),
    mac: macSchema.meta({ description: "MAC of the host's VTEP" }),
  })
  .meta({ id: "member", description: "A host's place in a network" });

export type Member = z.infer<typeof memberSchema>;
