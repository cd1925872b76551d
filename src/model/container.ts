import { z } from "zod";
import { ipSchema, labelsSchema, macSchema, nameSchema } from "./record.ts";

/** Absolute, no empty segment, nothing a terminal or a log would stumble on. No lookahead: other languages read it too. */
const netnsPath = /^(\/[A-Za-z0-9_.:@+-]+)+$/;
const relative = /\/\.\.?(\/|$)/;

/**
 * /var/run is a link to /run (FHS 3.0). Of two records that spelled one namespace in two ways, both would take its eth0, and
 * neither network's container would have one.
 */
function withoutVar(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

/** `keyspaces/<net>/containers/<host>/<id>`, written by the host's agent for its runtime, or by a user by hand. */
export const containerSchema = z
  .object({
    name: nameSchema,
    ip: ipSchema.optional(),
    mac: macSchema.optional().meta({ description: "Absent: derived from the address" }),
    netns: z
      .string()
      .max(200) // interface aliases carry it, and end at 255
      .regex(netnsPath, { error: "an absolute path such as /run/netns/mongo", abort: true })
      .refine((path) => !relative.test(path), { error: "a path without '.' and '..'" })
      .overwrite(withoutVar)
      .optional()
      .meta({ description: "The namespace to attach, below a directory the host allows (/run/netns)" }),
    stack: nameSchema.optional(),
    service: nameSchema.optional(),
    sidekick: nameSchema
      .optional()
      .meta({ description: "Found as <sidekick>.<service>.<stack>, and no member of the service it goes with" }),
    aliases: z.array(nameSchema).max(64).optional(),
    labels: labelsSchema.optional(),
    health: z.enum(["healthy", "unhealthy", "starting"]).optional(),
  })
  .meta({ id: "container", description: "A container and its address in a network" });

export type Container = z.infer<typeof containerSchema>;
