import { z } from "zod";
import { keyOf, type RecordKey } from "./keys.ts";
import { nameSchema } from "./record.ts";

const owner = z.object({
  host: nameSchema,
  container: nameSchema.optional().meta({ description: "The container's id; absent: it is the host's agent address" }),
});

const sequence = z
  .int()
  .min(1)
  .meta({ description: "Counts changes of hands, so that a late release frees nobody else's" });

/**
 * `addresses/<net>/<ip>`, written by agents: who an address was given to. Records decide who has an address; a claim is
 * what keeps it from being given out twice, and lets it rest afterwards.
 */
export const claimSchema = z
  .discriminatedUnion("state", [
    z.object({ state: z.literal("held"), owner, sequence }),
    z.object({
      state: z.literal("resting"),
      owner: owner.meta({ description: "Who had it last" }),
      sequence,
      releasedAt: z
        .int()
        .min(0)
        .meta({ description: "Milliseconds of the Unix epoch, by the clock of who released it" }),
    }),
  ])
  .meta({ id: "claim", description: "An address and who it was given to" });

export type Claim = z.infer<typeof claimSchema>;

/** A container, or without one the host's agent. */
export type Owner = Claim["owner"];

/** @returns undefined for what is no claim: written by hand, or by a later version */
export function decodeClaim(value: Buffer): Claim | undefined {
  try {
    return claimSchema.safeParse(JSON.parse(value.toString("utf8"))).data;
  } catch {
    return undefined; // no JSON
  }
}

/** The claim of an owner that follows upon what stood there. */
export function heldBy(owner: Owner, before?: Claim): Claim {
  return { state: "held", owner, sequence: (before?.sequence ?? 0) + 1 };
}

export function resting({ owner, sequence }: Claim, now: number): Claim {
  return { state: "resting", owner, sequence: sequence + 1, releasedAt: now };
}

export function sameOwner(a: Owner, b: Owner): boolean {
  return a.host === b.host && a.container === b.container;
}

/** The record that a claim stands for. */
export function backingKey(net: string, { host, container }: Owner): RecordKey {
  return container === undefined
    ? keyOf({ type: "member", net, host })
    : keyOf({ type: "container", net, host, id: container });
}
