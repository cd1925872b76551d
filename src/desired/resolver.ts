import type { Container } from "../model/container.ts";
import { domainOf } from "../model/network.ts";
import type { Context } from "./context.ts";
import { mark, type Row } from "./rows.ts";

/** Where iproute2 has its names, by either path. */
const named = /^(?:\/var)?\/run\/netns\/([^/]+)$/;

/** What `ip netns exec <name>` puts in the place of /etc/resolv.conf; nothing for a namespace that has no name there. */
export function resolver({ net, network }: Context, container: Container, because: Row["because"]): Row[] {
  const name = named.exec(container.netns ?? "")?.[1];
  if (name === undefined) return [];
  const key = `/etc/netns/${name}/resolv.conf`;
  return [
    { kind: "resolver", scope: "host", key, value: { text: resolverText(domainOf(net, network), container) }, because },
  ];
}

/** The search list makes `hubot` mean the stack's own, and `<sidekick>` its service's. */
export function resolverText(domain: string, { stack, service }: Pick<Container, "stack" | "service">): string {
  const search = [
    ...(stack === undefined ? [] : [`${stack}.${domain}`]),
    ...(stack === undefined || service === undefined ? [] : [`${service}.${stack}.${domain}`]),
    domain,
  ];
  return [
    mark.resolver,
    "nameserver 169.254.169.250",
    `search ${search.join(" ").toLowerCase()}`,
    // `side.web.rocket-chat` is tried with the domain before it is asked of anybody outside.
    "options ndots:3 timeout:2",
    "",
  ].join("\n");
}
