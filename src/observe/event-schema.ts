import { z } from "zod";
import { kinds } from "../desired/rows.ts";

const revision = z.string().regex(/^[0-9]{1,20}$/);
const count = z.int().min(0);
const ms = z.number().min(0);

const cause = z
  .object({
    key: z.string().meta({ description: "The record that set it off, or start, drift, release, leave" }),
    revision: revision.exactOptional().meta({ description: "etcd's revision, where a record set it off" }),
  })
  .meta({ description: "What set this off" });

const since = ms.meta({ description: "Milliseconds since this agent learned of the cause" });

const row = {
  kind: z.enum(kinds),
  scope: z.string().meta({ description: "Network namespace: host, net:NETWORK, or at:PATH of a container's" }),
  key: z.string().meta({ description: "The kernel's own identity of the object, within kind and scope" }),
  text: z.string().meta({ description: "The row in the words of ip, bridge, nft and sysctl" }),
};
const because = z.array(z.string()).meta({ description: "Records the row follows from, the nearest first" });

const tunnel = {
  peer: z.string().meta({ description: "The host at the other end" }),
  child: z.string().meta({ description: "child-NETWORK, or vxlan-PORT for all encrypted networks of that port" }),
};
const cipher = z.string().meta({ description: "Of ESP, with its key size" });

/** One sort of line; every line has these three. */
function line<Type extends string, Fields extends z.core.$ZodLooseShape>(type: Type, fields: Fields) {
  const seq = z.int().min(1).meta({ description: "Counts the events of one run of the agent, without gaps" });
  return z.object({ seq, time: z.iso.datetime(), type: z.literal(type), ...fields });
}

/**
 * One line of `skein events --json` and of `GET /v1/events`: flat, and stable. New sorts and new fields may come; what is
 * there keeps its name and meaning.
 */
export const eventSchema = z
  .discriminatedUnion("type", [
    line("added", { ...row, because, cause, ms: since }),
    line("replaced", { ...row, was: z.string(), because, cause, ms: since }),
    line("removed", { ...row, cause, ms: since }),
    line("repaired", { ...row, because, cause, ms: since }),
    line("failed", {
      ...row,
      code: z.string(),
      message: z.string(),
      attempt: z.int().min(1),
      retryMs: ms.meta({ description: "Tried again after so many milliseconds" }),
      cause,
    }),
    line("drifted", {
      ...row,
      found: z.string().nullable().meta({ description: "What somebody else put in its place; null: it is gone" }),
      because,
    }),
    line("conflicted", { ...row, because, units: z.array(z.string()) }),
    line("braked", { removals: count, rows: count, why: z.string() }),
    line("released", { removals: count }),
    line("relisted", { scope: z.string(), rows: count, why: z.string(), ms }),
    line("unlisted", {
      kind: row.kind,
      scope: row.scope,
      message: z.string(),
      attempt: z.int().min(1),
      retryMs: ms,
    }),
    line("stalled", { kind: row.kind, scope: row.scope, rows: count, ms }),
    line("converged", { rows: count, waiting: count, writes: count, ms }),
    line("rejected", { record: z.string(), revision, code: z.string(), reason: z.string() }),
    line("skipped", { record: z.string(), code: z.string(), reason: z.string() }),
    line("admitted", { record: z.string() }),
    line("joined", { network: z.string(), why: z.string() }),
    line("left", { network: z.string(), why: z.string() }),
    line("collected", { record: z.string(), network: z.string(), why: z.string() }),
    line("stale", { keys: z.string(), since: z.iso.datetime(), why: z.string() }),
    line("fresh", { keys: z.string(), staleMs: ms }),
    line("doubt", { keys: z.string(), why: z.string() }),
    line("underlay", {
      dev: z.string(),
      address: z.string(),
      mtu: count,
      was: z.object({ address: z.string(), mtu: count }).exactOptional(),
    }),
    line("tunnel-up", {
      ...tunnel,
      cipher,
      ms: ms.meta({ description: "Milliseconds since it was wished, or since it was last up" }),
    }),
    line("tunnel-down", { ...tunnel, why: z.string() }),
    line("tunnel-rekeyed", { ...tunnel, cipher }),
    line("tunnel-rekey-failed", { ...tunnel, why: z.string() }),
    line("tunnel-retrying", {
      ...tunnel,
      attempt: z.int().min(1),
      nextMs: ms.meta({ description: "Tried again after so many milliseconds" }),
      why: z.string(),
    }),
    line("tunnel-duplicate", {
      peer: tunnel.peer,
      ended: count.meta({ description: "IKE security associations that are ended, since a newer one stands" }),
    }),
    line("tunnel-lost", { ...tunnel }),
    line("charon-away", { why: z.string() }),
    line("charon-back", {
      version: z.string(),
      awayMs: ms.meta({ description: "0 where it was there when the agent first looked" }),
    }),
    line("warned", { code: z.string(), message: z.string() }),
    line("dropped", {
      count: count.meta({ description: "Events left out before this line, since the reader was too slow" }),
    }),
  ])
  .meta({ id: "event", description: "One thing that happened, as a line of `skein events --json`" });

export type EventLine = z.infer<typeof eventSchema>;
