import { describe, expect, it } from "vitest";
import { ownStatus } from "../../src/observe/own-status.ts";
import { statusSchema } from "../../src/observe/status.ts";
import { countTunnels, tunnelEntries } from "../../src/observe/tunnel-entries.ts";
import { fakeView, newKey, oldKey } from "./fake-view.ts";
import { sealedView, states } from "./sealed-view.ts";
import { serving } from "./serving.ts";

const here = serving();
const now = Date.parse("2026-01-02T03:00:00Z");

describe("tunnels of a network", () => {
  const seen = { host: "h1", world: sealedView().world, states, skipped: [], now };

  it("are one for each other member, with times that stay true", () => {
    expect(tunnelEntries("green", seen)).toEqual([
      expect.objectContaining({
        network: "green",
        peer: "h2",
        state: "up",
        since: "2026-01-02T02:48:00.000Z",
        rekeyInMs: 2_880_000,
        ikeSince: "2026-01-02T01:00:00.000Z",
        bytesIn: 1_234_567,
      }),
      { network: "green", peer: "h3", state: "down", attempt: 4, retryMs: 8000, why: "no answer" },
      { network: "green", peer: "h4", state: "down", attempt: 0, why: "charon was not told of it yet" },
    ]);
  });

  it("of VXLAN are those of its port", () => {
    expect(tunnelEntries("pink", seen)).toMatchObject([
      { network: "pink", peer: "h2", state: "up", mode: "transport" },
      { network: "pink", peer: "h3", state: "connecting", attempt: 1 },
    ]);
  });

  it("are none in clear, and none where this host takes no part", () => {
    expect(tunnelEntries("blue", seen)).toBeUndefined();
    expect(tunnelEntries("gone", seen)).toBeUndefined();
    expect(tunnelEntries("green", { ...seen, host: "h9" })).toBeUndefined();
  });

  it("are counted, with why the first is not up", () => {
    expect(countTunnels(tunnelEntries("green", seen) ?? [])).toEqual({ wanted: 3, up: 1, why: "h3: no answer" });
    expect(countTunnels([])).toEqual({ wanted: 0, up: 0 });
  });
});

describe("questions", () => {
  it("about tunnels are answered network by network, with why a peer was left out", async () => {
    await here.serve(sealedView());
    const { body } = await here.ask("GET /v1/tunnels");
    expect(body).toMatchObject({
      host: "h1",
      charon: { state: "connected", version: "charon-systemd 5.9.8" },
      tunnels: [
        { network: "green", peer: "h2" },
        { network: "green", peer: "h3" },
        { network: "green", peer: "h4", why: "host h4 has published no IKE key" },
        { network: "pink", peer: "h2" },
        { network: "pink", peer: "h3" },
      ],
    });
  });

  it("about one network leave others out, and there must be one", async () => {
    await here.serve(sealedView());
    const { body } = (await here.ask("GET /v1/tunnels?network=pink")) as { body: { tunnels: { network: string }[] } };
    expect(new Set(body.tunnels.map(({ network }) => network))).toEqual(new Set(["pink"]));
    expect(await here.ask("GET /v1/tunnels?network=gone")).toMatchObject({
      status: 404,
      body: { code: "NETWORK_UNKNOWN" },
    });
  });

  it("about status say how charon is, and how many tunnels are up", async () => {
    const away = { type: "away", since: 60_000, why: "no answer" } as const;
    await here.serve(sealedView({ charon: () => away }));
    expect(await here.ask("GET /v1/status")).toMatchObject({
      body: {
        state: "/var/lib/skein",
        charon: { state: "away", since: "1970-01-01T00:01:00.000Z", why: "no answer" },
        networks: [{ network: "green", tunnels: { wanted: 3, up: 1, why: "h3: no answer" } }],
      },
    });
  });

  it("about keys are answered with what hosts have published", async () => {
    await here.serve(sealedView());
    expect(await here.ask("GET /v1/keys")).toEqual({
      status: 200,
      body: {
        host: "h1",
        hosts: [
          { host: "h1", keys: [oldKey, newKey], self: true },
          { host: "h2", keys: [newKey], self: false },
        ],
      },
    });
  });

  it("may be orders: tunnels that are up have new keys made, of all or of those that are named", async () => {
    const view = sealedView();
    await here.serve(view);
    const both = { host: "h1", tunnels: ["green", "pink"].map((network) => ({ network, peer: "h2" })) };
    expect(await here.ask("POST /v1/tunnels/rekey")).toEqual({ status: 200, body: both });
    await here.ask("POST /v1/tunnels/rekey?network=green&peer=h2");
    const asked = ["rekey child-green to h2", "rekey vxlan-4789 to h2", "rekey child-green to h2"];
    expect(view.asked).toEqual(asked);
    for (const [question, code] of [
      ["?peer=h3", "NO_TUNNEL"],
      ["?network=gone", "NETWORK_UNKNOWN"],
      ["?child=child-green", "QUERY"],
    ])
      expect(await here.ask(`POST /v1/tunnels/rekey${question}`)).toMatchObject({ body: { code } });
    expect(view.asked).toEqual(asked);
  });

  it("may be orders: keys are changed by the agent", async () => {
    const view = fakeView();
    await here.serve(view);
    expect(await here.ask("POST /v1/keys/rotate")).toEqual({
      status: 200,
      body: { host: "h1", from: oldKey, to: newKey, state: "announced", waitingFor: ["h2"] },
    });
    expect(view.asked).toEqual(["rotate"]);
  });
});

it("a status record carries the count, and a reason that cannot harm a terminal", () => {
  const view = sealedView();
  const [green] = view.networks();
  const state = { ...(green as NonNullable<typeof green>), tunnels: { wanted: 3, up: 1, why: "h3:\u001b[2J" } };
  const status = { ...ownStatus(view, state), at: new Date(now).toISOString() };
  expect(statusSchema.parse(status).tunnels).toEqual({ wanted: 3, up: 1, why: "h3:\\u{1b}[2J" });
});
