import type { Drivers } from "../reconcile/kind.ts";
import { addresses } from "./addresses.ts";
import { fdb } from "./fdb.ts";
import type { Kernel } from "./kernel.ts";
import { linkDriver } from "./links.ts";
import { namespaceDriver } from "./namespaces.ts";
import { neighbours } from "./neighbours.ts";
import { nftDrivers } from "./nftables.ts";
import { policyDriver } from "./policies.ts";
import { resolverDriver } from "./resolvers.ts";
import { routes } from "./routes.ts";
import { rowDriver } from "./row-driver.ts";
import { Scopes } from "./scopes.ts";
import { sysctlDriver } from "./sysctls.ts";

/** A driver for every kind of row: those of the kernel's, all on one, and those of others, which come from outside. */
export function openDrivers(kernel: Kernel, others: Pick<Drivers, "tunnel">): Drivers {
  const scopes = new Scopes(kernel);
  return {
    namespace: namespaceDriver(kernel),
    sysctl: sysctlDriver(kernel),
    link: linkDriver(kernel, scopes),
    address: rowDriver(kernel, scopes, addresses),
    neighbour: rowDriver(kernel, scopes, neighbours),
    fdb: rowDriver(kernel, scopes, fdb),
    policy: policyDriver(kernel),
    ...others,
    route: rowDriver(kernel, scopes, routes),
    ...nftDrivers(kernel),
    resolver: resolverDriver(kernel),
  };
}
