import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { KeyRotateAnswer, KeysAnswer, TunnelsAnswer } from "./answers.ts";
import { Fault } from "./fault.ts";
import { name, read } from "./query.ts";
import { charonAnswer } from "./show-state.ts";
import { byName } from "./sort.ts";
import { tunnelEntries } from "./tunnel-entries.ts";
import type { AgentView } from "./view.ts";

/** What is asked about tunnels, and about the keys that hosts prove themselves by. */
export function ipsecRoutes(app: FastifyInstance, view: () => AgentView): void {
  app.get("/v1/tunnels", async ({ query }): Promise<TunnelsAnswer> => {
    const { network } = read(z.strictObject({ network: name.optional() }), query);
    if (network !== undefined && !view().world.networks.has(network))
      throw new Fault(404, "NETWORK_UNKNOWN", `Cannot list tunnels: expected a network that exists, got "${network}"`);
    return showTunnels(view(), network);
  });
  app.get("/v1/keys", (): KeysAnswer => showKeys(view()));
  app.post("/v1/keys/rotate", async (): Promise<KeyRotateAnswer> => {
    return { host: view().host, ...(await view().rotateKeys()) };
  });
}

async function showTunnels(view: AgentView, network: string | undefined): Promise<TunnelsAnswer> {
  const { host, world } = view;
  const states = await view.tunnels();
  const skipped = new Map(view.networks().map((state) => [state.net, state.skipped]));
  const nets = network === undefined ? [...world.networks.keys()].sort() : [network];
  const tunnels = nets.flatMap((net) => {
    const seen = { host, world, states, skipped: skipped.get(net) ?? [], now: Date.now() };
    return tunnelEntries(net, seen) ?? [];
  });
  return { host, charon: charonAnswer(view), tunnels };
}

function showKeys({ host: self, world }: AgentView): KeysAnswer {
  const hosts = [...world.hosts].map(([host, { value }]) => ({
    host,
    keys: value.ike?.keys ?? [],
    self: host === self,
  }));
  return { host: self, hosts: hosts.sort(byName("host")) };
}
