import { z } from "zod";
import { ipSchema, labelsSchema, macSchema, nameSchema } from "./record.ts";

/** Absolute, no `..`, no empty segment, nothing a terminal or a log would stumble on. */
const netnsPath = /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9_.:@+-]{1,255}){1,16}$/;

/** `keyspaces/<net>/containers/<host>/<id>`, written by the host's agent for its runtime, or by a user by hand. */
export const containerSchema = z
  .looseObject({
    name: nameSchema,
    ip: ipSchema.optional(),
    mac: macSchema.optional().meta({ description: "Absent: derived from the address" }),
    netns: z
      .string()
      .regex(netnsPath, { error: "expected an absolute path without '..'" })
      .optional()
      .meta({ description: "The namespace to attach, below a directory the host allows (/run/netns)" }),
    stack: nameSchema.optional(),
    service: nameSchema.optional(),
    aliases: z.array(nameSchema).max(64).optional(),
    labels: labelsSchema.optional(),
    health: z.enum(["healthy", "unhealthy", "starting"]).optional(),
  })
  .meta({ id: "container", description: "A container and its address in a network" });

export type Container = z.infer<typeof containerSchema>;
