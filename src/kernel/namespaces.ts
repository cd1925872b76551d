import { mergeMap } from "rxjs";
import { kinds, mark } from "../desired/rows.ts";
import type { Driver, Notice } from "../reconcile/kind.ts";
import type { Kernel, KernelEvent } from "./kernel.ts";
import { isNamespaceName } from "./namespace-names.ts";

const kind = "namespace";
const inside = kinds.filter((each) => each !== kind);

/**
 * Namespaces of networks, by name under /run/netns, where `ip netns` finds them. It also speaks for all other drivers
 * when a namespace comes or goes, a container's too: what a scope holds is to be listed again, and rows that wait for it
 * may go on.
 */
export function namespaceDriver(kernel: Kernel): Driver<"namespace"> {
  return {
    kind,
    notices$: kernel.events$.pipe(mergeMap(noticesOf)),

    async list(scope) {
      if (scope !== "host") return [];
      const names = await kernel.listNamespaces();
      return names.filter(isNamespaceName).map((key) => ({ kind, scope, key, value: {} }));
    },

    async apply(_scope, operations) {
      const answers = operations.map(({ verb, row }) =>
        verb === "remove" ? kernel.deleteNamespace(row.key) : kernel.createNamespace(row.key),
      );
      return (await Promise.all(answers)).map((answer) => (answer.ok ? undefined : answer.failure));
    },
  };
}

function noticesOf(event: KernelEvent): Notice[] {
  if (event.type !== "appeared" && event.type !== "vanished") return [];
  const { scope } = event;
  const relist: Notice = { type: "relist", scope, kinds: inside, why: `the namespace ${event.type}` };
  if (!scope.startsWith("net:")) return [relist];
  const key = `${mark.namespace}${scope.slice("net:".length)}`;
  return event.type === "appeared"
    ? [{ type: "present", row: { kind, scope: "host", key, value: {} } }, relist]
    : [{ type: "absent", kind, scope: "host", key }, relist];
}
