import { once } from "node:events";
import { get as httpGet, request } from "node:http";
import { describe, expect, it } from "vitest";
import type { AgentView } from "../../src/observe/view.ts";
import { WaitError } from "../../src/observe/wait-error.ts";
import { StoreError } from "../../src/store/failure.ts";
import { fakeView } from "./fake-view.ts";
import { serving } from "./serving.ts";

const here = serving();

describe("before the agent is there", () => {
  it("questions are answered with STARTING", async () => {
    await here.serve();
    expect(await here.ask("GET /v1/status")).toMatchObject({ status: 503, body: { code: "STARTING" } });
    expect(await here.ask("GET /v1/ready")).toEqual({ status: 503, body: { ready: false } });
  });

  it("readiness can be waited for", async () => {
    const api = await here.serve();
    const answer = here.ask("GET /v1/ready?timeout=60");
    let ready = false;
    api.present(fakeView({ ready: () => ready }));
    ready = true;
    expect(await answer).toEqual({ status: 200, body: { ready: true } });
  });
});

describe("questions", () => {
  it("about status are answered with all that is the matter", async () => {
    await here.serve(fakeView({ startedAt: 0 }));
    const { body } = await here.ask("GET /v1/status");
    expect(body).toMatchObject({
      host: "h1",
      startedAt: "1970-01-01T00:00:00.000Z",
      ready: true,
      etcd: { endpoints: ["http://192.0.2.10:2379"], embedded: false },
      brake: { removals: 40 },
      networks: [
        { network: "blue", observed: "1042", converged: "1040", failed: [{ code: "ENETUNREACH", attempt: 3 }] },
        { network: "red", skipped: [{ code: "VNI_TAKEN" }] },
      ],
      rejected: [{ key: "networks/b\\u{a}d", code: "JSON" }],
    });
  });

  it("about etcd say since when it is away", async () => {
    const away = { endpoints: [], prefix: "/skein/v1/", embedded: true, staleSince: 60_000, why: "no answer" };
    await here.serve(fakeView({ etcd: () => away }));
    expect(await here.ask("GET /v1/status")).toMatchObject({
      body: { etcd: { staleSince: "1970-01-01T00:01:00.000Z", why: "no answer" } },
    });
  });

  it("about the plan are answered row by row", async () => {
    await here.serve(fakeView());
    const { body } = await here.ask("GET /v1/plan");
    expect(body).toMatchObject({
      host: "h1",
      operations: [
        { verb: "add", kind: "route", because: ["keyspaces/blue/blocks/10.42.118.0-26", "networks/blue"] },
        { verb: "replace", was: "link br0 mtu 1400 up type bridge in skein-blue" },
        { verb: "remove", because: [], held: "the brake" },
      ],
    });
  });

  it("about the world are answered from what was seen of it", async () => {
    await here.serve(fakeView());
    expect(await here.ask("GET /v1/networks")).toMatchObject({
      body: {
        networks: [
          { network: "blue", vni: 1042, members: 2, containers: 3, joined: true },
          { network: "red", joined: false, refused: "vni 1042 belongs to networks/blue, which is older" },
        ],
      },
    });
    expect(await here.ask("GET /v1/hosts")).toMatchObject({
      body: {
        hosts: [
          { host: "h1", alive: true, containers: 2, self: true, networks: [{ network: "blue" }] },
          { host: "h2", alive: false, containers: 1, self: false },
        ],
      },
    });
    expect(await here.ask("GET /v1/containers?network=blue")).toMatchObject({
      body: {
        containers: [
          { host: "h1", id: "rocketchat", ip: "10.42.64.98", mac: "02:53:0a:2a:40:62" },
          { host: "h1", id: "spare", problem: "it has no ip" },
          { host: "h2", id: "mongo", mac: "06:00:00:00:00:07" },
        ],
      },
    });
  });

  it("about hosts leave liveness out while etcd is away", async () => {
    const away = async () => {
      throw new StoreError("unavailable", "Cannot list alive/");
    };
    await here.serve(fakeView({ alive: away }));
    const { body } = (await here.ask("GET /v1/hosts")) as { body: { hosts: object[] } };
    expect(body.hosts[0]).not.toHaveProperty("alive");
  });

  it.each([
    ["GET /v1/containers?network=green", 404, "NETWORK_UNKNOWN"],
    ["GET /v1/containers?net=blue", 400, "QUERY"],
    ["GET /v1/wait", 400, "QUERY"],
    ["GET /v1/wait?network=blue&revision=12x", 400, "QUERY"],
    ["GET /v1/events?recent=-1", 400, "QUERY"],
    ["GET /v2/status", 404, "NO_SUCH_PATH"],
    ["POST /v1/status", 404, "NO_SUCH_PATH"],
  ])("such as %s are refused with %i %s", async (question, status, code) => {
    await here.serve(fakeView());
    expect(await here.ask(question)).toMatchObject({
      status,
      body: { code, message: expect.stringMatching(/^Cannot /) },
    });
  });
});

describe("waiting", () => {
  it("asks the agent, for so long as was said", async () => {
    const view = fakeView();
    await here.serve(view);
    expect(await here.ask("GET /v1/wait?network=blue&revision=1043&timeout=5")).toMatchObject({
      status: 200,
      body: { network: "blue", converged: true, revision: "1043", hosts: [{ host: "h1" }, { host: "h2" }] },
    });
    expect(view.asked).toEqual(["wait blue 1043"]);
  });

  it("ends when who asked goes away", async () => {
    const aborted = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const wait: AgentView["wait"] = async (_net, _revision, signal) => {
      begun.resolve();
      await once(signal, "abort");
      aborted.resolve();
      throw new WaitError("ETCD_AWAY", "Cannot wait");
    };
    await here.serve(fakeView({ wait }));
    const asked = request({ socketPath: here.path, path: "/v1/wait?network=blue&timeout=3600" }).end();
    asked.on("error", () => {});
    await begun.promise;
    asked.destroy();
    await aborted.promise;
  });

  it.each([
    [new WaitError("NETWORK_UNKNOWN", "Cannot wait for network blue"), 404, "NETWORK_UNKNOWN"],
    [new WaitError("ETCD_AWAY", "Cannot wait for network blue"), 504, "ETCD_AWAY"],
    [new StoreError("denied", "Cannot put"), 503, "ETCD_DENIED"],
    [new TypeError("a bug"), 500, "INTERNAL"],
  ])("answers %s with %i %s", async (error, status, code) => {
    const wait = async () => {
      throw error;
    };
    await here.serve(fakeView({ wait }));
    expect(await here.ask("GET /v1/wait?network=blue")).toEqual({ status, body: { code, message: error.message } });
  });
});

describe("orders", () => {
  it("release what is held", async () => {
    const view = fakeView();
    await here.serve(view);
    expect(await here.ask("POST /v1/release")).toEqual({ status: 200, body: { removals: 40 } });
    expect(view.asked).toEqual(["release"]);
  });

  it("leave the host, and end the agent once who asked has the answer", async () => {
    const over = Promise.withResolvers<void>();
    here.left.mockImplementation(over.resolve);
    const view = fakeView();
    await here.serve(view);
    expect(await here.ask("POST /v1/leave")).toEqual({ status: 200, body: { left: true } });
    await over.promise;
    expect(view.asked).toEqual(["leave"]);
  });

  it("do not end an agent that could not leave", async () => {
    const leave = async () => {
      throw new StoreError("unavailable", "Cannot remove hosts/h1");
    };
    await here.serve(fakeView({ leave }));
    expect(await here.ask("POST /v1/leave")).toMatchObject({ status: 503, body: { code: "ETCD_UNAVAILABLE" } });
    expect(here.left).not.toHaveBeenCalled();
  });
});

describe("events", () => {
  it("follow the past, and end with the agent", async () => {
    const view = fakeView();
    await here.serve(view);
    view.events$.next({ type: "released", removals: 1 });
    view.events$.next({ type: "released", removals: 2 });
    const asked = httpGet({ socketPath: here.path, path: "/v1/events?recent=1", agent: false });
    const [response] = await once(asked, "response");
    expect(response.headers["content-type"]).toBe("application/x-ndjson");
    view.events$.next({ type: "released", removals: 3 });
    view.events$.complete();
    let text = "";
    for await (const part of response.setEncoding("utf8")) text += part;
    expect(
      text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line).removals),
    ).toEqual([2, 3]);
  });
});
