import { join } from "node:path";
import { mark } from "../desired/rows.ts";
import { isName } from "../model/keys.ts";

/** Where iproute2 keeps named namespaces. */
export const namedNamespaces = "/run/netns";

/** Whether it names a network's namespace. The network's name may take all of a name's 63 characters by itself. */
export function isNamespaceName(name: string): boolean {
  return name.startsWith(mark.namespace) && isName(name.slice(mark.namespace.length));
}

/** The path of one of our own namespaces. @throws RangeError for a name that is none of ours. */
export function namespacePath(name: string): string {
  if (!isNamespaceName(name)) {
    throw new RangeError(`Cannot name namespace: expected ${mark.namespace}<network>, got "${name}"`);
  }
  return join(namedNamespaces, name);
}
