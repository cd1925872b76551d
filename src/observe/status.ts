import { z } from "zod";

const revision = z.string().regex(/^[0-9]{1,20}$/);

/**
 * `status/<net>/<host>`, written by that host's agent at most once a second. It stands outside the network's keyspace:
 * N hosts writing what N hosts watch would be N² messages.
 */
export const statusSchema = z
  .looseObject({
    host: z.string(),
    at: z.string().meta({ description: "ISO 8601, the host's clock" }),
    observed: revision.meta({ description: "Every record up to this etcd revision has been seen" }),
    converged: revision.meta({ description: "The kernel holds what the records said at this etcd revision" }),
    rows: z.int().min(0),
    failed: z
      .array(z.looseObject({ row: z.string(), code: z.string(), message: z.string(), attempt: z.int() }))
      .max(20),
    failedCount: z.int().min(0),
    skipped: z.array(z.looseObject({ key: z.string(), code: z.string(), reason: z.string() })).max(20),
    skippedCount: z.int().min(0),
    tunnels: z
      .looseObject({
        wanted: z.int().min(0).meta({ description: "Peers of an encrypted network" }),
        up: z.int().min(0),
        why: z.string().optional().meta({ description: "Why the first that is not up is not" }),
      })
      .optional()
      .meta({ description: "Tunnels to peers; absent where the network is not encrypted" }),
    held: z.string().optional().meta({ description: "Why removals are held until `skein release`" }),
  })
  .meta({ id: "status", description: "How far a host is with a network" });

export type Status = z.infer<typeof statusSchema>;
