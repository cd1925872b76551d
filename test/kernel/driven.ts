import type { Kind, Row, Scope, Values } from "../../src/desired/rows.ts";
import { openDrivers } from "../../src/kernel/drivers.ts";
import { fakeKernel } from "../../src/kernel/fake.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import type { Driver, Drivers, Failure, Observed } from "../../src/reconcile/kind.ts";

/** The kernel's own drivers; of tunnels, which are charon's, the one in memory. */
export function driversOf(kernel: Kernel): Drivers {
  return openDrivers(kernel, { tunnel: fakeKernel().drivers.tunnel });
}

export function row<K extends Kind>(kind: K, scope: Scope, key: string, value: Values[K]): Row {
  return { kind, scope, key, value, because: [] } as unknown as Row;
}

/** Adds or removes one row by its driver. */
export async function apply(drivers: Drivers, verb: "add" | "remove", each: Row): Promise<Failure | undefined> {
  const [failure] = await (drivers[each.kind] as Driver).apply(each.scope, [{ verb, row: each } as never]);
  return failure;
}

export async function addAll(drivers: Drivers, rows: readonly Row[]): Promise<void> {
  for (const each of rows) {
    const failure = await apply(drivers, "add", each);
    if (failure) throw new Error(failure.message);
  }
}

export async function removeAll(drivers: Drivers, rows: readonly Row[]): Promise<void> {
  for (const each of rows.toReversed()) {
    const failure = await apply(drivers, "remove", each);
    if (failure) throw new Error(failure.message);
  }
}

export function observed({ kind, scope, key, value }: Row): Observed {
  return { kind, scope, key, value };
}
