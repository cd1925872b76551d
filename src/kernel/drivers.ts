import type { Drivers } from "../reconcile/kind.ts";
import { addresses } from "./addresses.ts";
import { fdb } from "./fdb.ts";
import type { Kernel } from "./kernel.ts";
import { linkDriver } from "./links.ts";
import { namespaceDriver } from "./namespaces.ts";
import { neighbours } from "./neighbours.ts";
import { nftDrivers } from "./nftables.ts";
import { resolverDriver } from "./resolvers.ts";
import { routes } from "./routes.ts";
import { rowDriver } from "./row-driver.ts";
import { Scopes } from "./scopes.ts";
import { sysctlDriver } from "./sysctls.ts";

/** A driver for every kind of row, all on one kernel. */
export function openDrivers(kernel: Kernel): Drivers {
  const scopes = new Scopes(kernel);
  return {
    namespace: namespaceDriver(kernel),
    sysctl: sysctlDriver(kernel),
    link: linkDriver(kernel, scopes),
    address: rowDriver(kernel, scopes, addresses),
    neighbour: rowDriver(kernel, scopes, neighbours),
    fdb: rowDriver(kernel, scopes, fdb),
    route: rowDriver(kernel, scopes, routes),
    ...nftDrivers(kernel),
    resolver: resolverDriver(kernel),
  };
}
