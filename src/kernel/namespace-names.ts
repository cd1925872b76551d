import { join } from "node:path";
import { mark } from "../desired/rows.ts";
import { isName } from "../model/keys.ts";

/** Where iproute2 keeps named namespaces. */
export const namedNamespaces = "/run/netns";

/** The path of one of our own namespaces. @throws RangeError for a name that is none of ours. */
export function namespacePath(name: string): string {
  if (!name.startsWith(mark.namespace) || !isName(name)) {
    throw new RangeError(`Cannot name namespace: expected ${mark.namespace}<network>, got "${name}"`);
  }
  return join(namedNamespaces, name);
}
