import { z } from "zod";
import { ipSchema, labelsSchema } from "./record.ts";

/** `hosts/<host>`, written by that host's agent. */
export const hostSchema = z
  .object({
    address: ipSchema.meta({ description: "Where the host's peers reach it: its address on the underlay" }),
    labels: labelsSchema.optional(),
  })
  .meta({ id: "host", description: "A host and its place on the underlay" });

export type Host = z.infer<typeof hostSchema>;
