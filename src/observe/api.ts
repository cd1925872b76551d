import { chmod } from "node:fs/promises";
import { pipeline } from "node:stream";
import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { z } from "zod";
import { isRevision, type Revision } from "../model/revision.ts";
import type { LeaveAnswer, ReadyAnswer, ReleaseAnswer, WaitAnswer } from "./answers.ts";
import { eventStream } from "./event-stream.ts";
import { Fault, faultOf } from "./fault.ts";
import { type History, keepHistory } from "./history.ts";
import { ipamRoutes } from "./ipam-routes.ts";
import { ipsecRoutes } from "./ipsec-routes.ts";
import { name, read } from "./query.ts";
import { whenReady } from "./ready.ts";
import { showPlan, showStatus } from "./show-state.ts";
import { showContainers, showHosts, showNetworks } from "./show-world.ts";
import { clearSocket } from "./socket.ts";
import type { AgentView } from "./view.ts";

/** The agent's answers on its unix socket: HTTP, JSON, shapes in answers.ts. Who may open the socket may do all of it. */
export interface Api {
  /** The agent is there to be seen; until then every question is answered with 503 STARTING. */
  present(view: AgentView): void;
  close(): Promise<void>;
}

export interface ApiOptions {
  path: string;
  /** The host was left as asked for, and the answer is on its way: nothing remains to be done here. */
  left(): void;
}

/** Listens before there is anything to see, so that a second agent stops before it has touched the kernel. @throws SocketError */
export async function openApi({ path, left }: ApiOptions): Promise<Api> {
  let shown: { view: AgentView; history: History } | undefined;
  const app = fastify({
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    bodyLimit: 1024,
    // No route has a schema of fastify's; loading the compilers for them takes 35 ms and 8 MB.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  });

  const look = () => {
    if (shown) return shown;
    throw new Fault(503, "STARTING", "Cannot answer yet: the agent is starting, ask again in a moment");
  };
  showRoutes(app, () => look().view);
  waitRoutes(app, () => look().view);
  ipamRoutes(app, () => look().view);
  ipsecRoutes(app, () => look().view);
  readyRoute(app, () => shown?.view.ready() ?? false);
  eventRoute(app, () => look().history);
  app.post("/v1/leave", async (_request, reply): Promise<LeaveAnswer> => {
    await look().view.leave();
    reply.raw.once("close", left);
    return { left: true };
  });

  app.setErrorHandler((error, _request, reply) => {
    const { status, code, message } = faultOf(error);
    return reply.status(status).send({ code, message });
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `Cannot answer: expected a documented path below /v1/, got ${request.method} ${request.url}`;
    return reply.status(404).send({ code: "NO_SUCH_PATH", message });
  });

  await clearSocket(path);
  await app.listen({ path });
  await chmod(path, 0o660);
  return {
    present(view) {
      shown = { view, history: keepHistory(view.events$) };
    },
    async close() {
      shown?.history.close();
      await app.close();
    },
  };
}

function noSchemas(): never {
  throw new Error("Cannot compile a schema: expected routes to read their questions with zod");
}

function showRoutes(app: FastifyInstance, view: () => AgentView): void {
  app.get("/v1/status", () => showStatus(view()));
  app.get("/v1/plan", () => showPlan(view()));
  app.get("/v1/networks", () => showNetworks(view()));
  // Without etcd nobody knows who lives; the rest is known all the same.
  app.get("/v1/hosts", async () =>
    showHosts(
      view(),
      await view()
        .alive()
        .catch(() => undefined),
    ),
  );
  app.get("/v1/containers", ({ query }) => {
    const { network } = read(z.strictObject({ network: name.optional() }), query);
    if (network === undefined || view().world.networks.has(network)) return showContainers(view(), network);
    throw new Fault(404, "NETWORK_UNKNOWN", `Cannot list containers: expected a network that exists, got "${network}"`);
  });
  app.post("/v1/release", (): ReleaseAnswer => ({ removals: view().release() }));
}

/** Seconds. A day is for ever where somebody holds a connection for it. */
const timeout = z.coerce.number().min(0).max(86_400);

function waitRoutes(app: FastifyInstance, view: () => AgentView): void {
  const waitQuery = z.strictObject({
    network: name,
    revision: z
      .string()
      .refine((text) => text === "now" || isRevision(text), { error: "expected a revision of etcd, or now" })
      .default("now"),
    timeout: timeout.default(30),
  });
  app.get("/v1/wait", async ({ query }, reply): Promise<WaitAnswer> => {
    const asked = read(waitQuery, query);
    const began = performance.now();
    const signal = endOf(reply, asked.timeout);
    const answer = await view().wait(asked.network, asked.revision as Revision | "now", signal);
    const hosts = answer.hosts.map(({ converged, ...host }) => ({ ...host, ...(converged && { converged }) }));
    return { network: asked.network, ...answer, hosts, tookMs: Math.round(performance.now() - began) };
  });
}

/** The one question that is answered from the first moment on. */
function readyRoute(app: FastifyInstance, isReady: () => boolean): void {
  app.get("/v1/ready", async ({ query }, reply): Promise<ReadyAnswer> => {
    const asked = read(z.strictObject({ timeout: timeout.default(0) }), query);
    const ready = await whenReady(isReady, endOf(reply, asked.timeout));
    if (!ready) reply.status(503);
    return { ready };
  });
}

function eventRoute(app: FastifyInstance, history: () => History): void {
  const eventsQuery = z.strictObject({
    recent: z.coerce.number().int().min(0).default(0),
    follow: z.enum(["true", "false"]).default("true"),
  });
  app.get("/v1/events", ({ query }, reply) => {
    const { recent, follow } = read(eventsQuery, query);
    const stream = eventStream(history(), { recent, follow: follow === "true" });
    reply.hijack();
    reply.raw.writeHead(200, { "content-type": "application/x-ndjson" });
    // Not with the first event, which may be long in coming: the reader should know that it is connected.
    reply.raw.flushHeaders();
    // A reader that goes away is no fault.
    pipeline(stream, reply.raw, () => {});
  });
}

/** Aborts after so many seconds, or when who asked goes away. */
function endOf(reply: FastifyReply, seconds: number): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return AbortSignal.any([gone.signal, AbortSignal.timeout(seconds * 1000)]);
}
