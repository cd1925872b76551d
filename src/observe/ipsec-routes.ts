import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { KeyRotateAnswer, KeysAnswer, RekeyAnswer, TunnelsAnswer } from "./answers.ts";
import { Fault } from "./fault.ts";
import { name, read } from "./query.ts";
import { charonAnswer } from "./show-state.ts";
import { byName } from "./sort.ts";
import { childOf, tunnelEntries } from "./tunnel-entries.ts";
import type { AgentView } from "./view.ts";

/** What is asked about tunnels, and about the keys that hosts prove themselves by. */
export function ipsecRoutes(app: FastifyInstance, view: () => AgentView): void {
  app.get("/v1/tunnels", async ({ query }): Promise<TunnelsAnswer> => {
    const { network } = read(z.strictObject({ network: name.optional() }), query);
    return showTunnels(view(), network);
  });
  app.post("/v1/tunnels/rekey", async ({ query }): Promise<RekeyAnswer> => {
    const { network, peer } = read(z.strictObject({ network: name.optional(), peer: name.optional() }), query);
    return rekey(view(), network, peer);
  });
  app.get("/v1/keys", (): KeysAnswer => showKeys(view()));
  app.post("/v1/keys/rotate", async (): Promise<KeyRotateAnswer> => {
    return { host: view().host, ...(await view().rotateKeys()) };
  });
}

async function showTunnels(view: AgentView, network: string | undefined): Promise<TunnelsAnswer> {
  const { host, world } = view;
  if (network !== undefined && !world.networks.has(network))
    throw new Fault(404, "NETWORK_UNKNOWN", `Cannot list tunnels: expected a network that exists, got "${network}"`);
  const states = await view.tunnels();
  const skipped = new Map(view.networks().map((state) => [state.net, state.skipped]));
  const nets = network === undefined ? [...world.networks.keys()].sort() : [network];
  const tunnels = nets.flatMap((net) => {
    const seen = { host, world, states, skipped: skipped.get(net) ?? [], now: Date.now() };
    return tunnelEntries(net, seen) ?? [];
  });
  return { host, charon: charonAnswer(view), tunnels };
}

async function rekey(view: AgentView, network?: string, of?: string): Promise<RekeyAnswer> {
  const { host, tunnels } = await showTunnels(view, network);
  const up = tunnels.filter(({ peer, state }) => state === "up" && (of === undefined || peer === of));
  if (up.length === 0)
    throw new Fault(
      409,
      "NO_TUNNEL",
      "Cannot make new keys: expected a tunnel that is up, got none; see skein tunnels",
    );
  for (const { network, peer } of up) {
    const declared = view.world.networks.get(network)?.value;
    if (declared) view.rekey(peer, childOf(network, declared));
  }
  return { host, tunnels: up.map(({ network, peer }) => ({ network, peer })) };
}

function showKeys({ host: self, world }: AgentView): KeysAnswer {
  const hosts = [...world.hosts].map(([host, { value }]) => ({
    host,
    keys: value.ike?.keys ?? [],
    self: host === self,
  }));
  return { host: self, hosts: hosts.sort(byName("host")) };
}
