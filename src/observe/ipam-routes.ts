import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { HostRemoveAnswer, IpamAnswer, IpamCheckAnswer, IpamFinding } from "./answers.ts";
import { Fault } from "./fault.ts";
import { name, read } from "./query.ts";
import type { AgentView } from "./view.ts";

const flag = z.enum(["true", "false"]).default("false");

/** What is asked about addresses, and the removal of a host that takes its addresses along. */
export function ipamRoutes(app: FastifyInstance, view: () => AgentView): void {
  app.get("/v1/ipam", async ({ query }): Promise<IpamAnswer> => {
    const { network } = read(z.strictObject({ network: name.optional() }), query);
    mustExist(view(), network);
    const usage = await view().usage(network);
    const networks = usage.map(({ net, ...rest }) => {
      const blocks = rest.hosts.reduce((sum, host) => sum + host.blocks.length, 0);
      return { network: net, ...rest, blocks };
    });
    return { networks };
  });
  app.post("/v1/ipam/check", async ({ query }, reply): Promise<IpamCheckAnswer> => {
    const { network, repair } = read(z.strictObject({ network: name.optional(), repair: flag }), query);
    mustExist(view(), network);
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const found = await view().check(network, repair === "true", gone.signal);
    const findings = found.map(
      ({ type, net, key, reason, repaired }): IpamFinding => ({
        type: type as IpamFinding["type"],
        network: net,
        key,
        reason,
        repaired,
      }),
    );
    return { findings: findings.sort((a, b) => (a.key < b.key ? -1 : 1)) };
  });
  app.post("/v1/hosts/remove", async ({ query }): Promise<HostRemoveAnswer> => {
    const { host, force } = read(z.strictObject({ host: name, force: flag }), query);
    await mustBeGone(view(), host, force === "true");
    return { host, ...(await view().removeHost(host)) };
  });
}

function mustExist({ world }: AgentView, network: string | undefined): void {
  if (network === undefined || world.networks.has(network)) return;
  const message = `Cannot look at addresses: expected a network that exists, got "${network}"`;
  throw new Fault(404, "NETWORK_UNKNOWN", message);
}

async function mustBeGone(view: AgentView, host: string, force: boolean): Promise<void> {
  const cannot = `Cannot remove host ${host}`;
  if (host === view.host)
    throw new Fault(409, "HOST_SELF", `${cannot}: expected another host than this one, which leaves by skein leave`);
  if (!isKnown(view, host))
    throw new Fault(404, "HOST_UNKNOWN", `${cannot}: expected a host of which there are records, got none`);
  if (!force && (await view.alive()).has(host))
    throw new Fault(
      409,
      "HOST_ALIVE",
      `${cannot}: expected its agent to be gone, it is alive. See skein leave, or --force`,
    );
}

function isKnown({ world }: AgentView, host: string): boolean {
  if (world.hosts.has(host) || world.memberships.has(host)) return true;
  return [...world.keyspaces.values()].some(
    ({ containers, blocksByHost }) => containers.has(host) || blocksByHost.has(host),
  );
}
