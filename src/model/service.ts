import { z } from "zod";
import { hostnameSchema, ipSchema, nameSchema } from "./record.ts";

const port = z
  .object({
    port: z.int().min(1).max(65535),
    protocol: z.enum(["tcp", "udp"]).default("tcp"),
  })
  .meta({ description: "Where the service listens, found by SRV as _<name>._<protocol>.<service>.<stack>" });

/** `web`, of the service's own stack, or `rocket-chat/web`. */
const aliasPattern =
  /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?(?:\/[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

/**
 * `keyspaces/<net>/services/<stack>/<service>`, written by the user. Containers make a service by saying so in their own
 * records; this one adds what no container says.
 */
export const serviceSchema = z
  .object({
    aliases: z
      .array(z.string().regex(aliasPattern, { error: "a service such as web, or rocket-chat/web of another stack" }))
      .max(64)
      .optional()
      .meta({ description: "Other services whose members are this one's too" }),
    addresses: z.array(ipSchema).max(256).optional().meta({ description: "Members that are no containers" }),
    cname: hostnameSchema
      .optional()
      .meta({ description: "The service is elsewhere, under this name; excludes members" }),
    ports: z
      .record(nameSchema, port)
      .refine((ports) => Object.keys(ports).length <= 64, { error: "at most 64 ports" })
      .optional(),
  })
  .meta({ id: "service", description: "A name that stands for several containers, or for something outside" });

export type Service = z.infer<typeof serviceSchema>;
