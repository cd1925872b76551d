import { z } from "zod";
import { ipSchema, labelsSchema, publicKeySchema } from "./record.ts";

/** How the host proves itself to its peers in IKE. Two keys while one takes the other's place: peers accept both. */
const ike = z
  .object({
    keys: z
      .array(publicKeySchema)
      .min(1)
      .max(4)
      .meta({ description: "Its Ed25519 public keys; peers accept any of them and no other" }),
  })
  .meta({ description: "IKEv2 identity; the private half never leaves the host" });

/** `hosts/<host>`, written by that host's agent. */
export const hostSchema = z
  .object({
    address: ipSchema.meta({ description: "Where the host's peers reach it: its address on the underlay" }),
    ike: ike.optional(),
    labels: labelsSchema.optional(),
  })
  .meta({ id: "host", description: "A host and its place on the underlay" });

export type Host = z.infer<typeof hostSchema>;
