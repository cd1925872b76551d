import { describe, expect, it } from "vitest";
import type { Self } from "../../src/desired/inputs.ts";
import { describeRow } from "../../src/desired/print.ts";
import type { Row } from "../../src/desired/rows.ts";
import { networkOf } from "../../src/desired/units.ts";
import { type Ip, macOf } from "../../src/model/address.ts";
import { rowId } from "../../src/reconcile/kind.ts";
import { deriveAll, Incremental, type Op, print, type Result, worldOf } from "./fold.ts";
import { put, rocketChatSealed, selfAs } from "./rocket-chat.ts";

const self = selfAs("h1");

/** A VXLAN network of h1 and h2, with a block and a container of each. */
function vxlan(net: string, n: number, more: object): Op[] {
  const places = Object.entries({ h1: 64, h2: 1 }).flatMap(([host, third]): [string, unknown][] => {
    const agent = `10.${n}.${third}.65` as Ip;
    const name = `c-${host}`;
    return [
      [`keyspaces/${net}/members/${host}`, { address: agent, mac: macOf(agent, "0e") }],
      [`keyspaces/${net}/blocks/10.${n}.${third}.64-26`, { host }],
      [
        `keyspaces/${net}/containers/${host}/${name}`,
        { name, ip: `10.${n}.${third}.98`, netns: `/run/netns/${net}-${name}` },
      ],
    ];
  });
  return put(
    10n,
    [`networks/${net}`, { cidr: `10.${n}.0.0/16`, backend: { type: "vxlan", vni: n }, ...more }],
    ...places,
  );
}

function of(net: string, result: Result): Result {
  return new Map([...result].filter(([unit]) => networkOf(unit) === net));
}

describe("on a host whose kernel has no ESP", () => {
  const lacking = "ESP (CONFIG_INET_ESP, module esp4)";
  const without: Self = { ...self, ipsec: { ...self.ipsec, missing: [lacking] } };
  // Of them blue is of backend ipsec, and red is VXLAN with encryption.
  const world = worldOf([...rocketChatSealed, ...vxlan("clear", 77, {})]);
  const result = deriveAll({ world, self: without });

  it.each(["blue", "red"])("the encrypted network %s is skipped, in words that name what is missing", (net) => {
    const derived = [...of(net, result).values()];
    expect(derived.flatMap(({ rows }) => rows)).toEqual([]);
    const reason = `network ${net} is encrypted, and this host lacks ${lacking}`;
    expect(derived.flatMap(({ skipped }) => skipped ?? [])).toEqual([
      { key: `networks/${net}`, code: "IPSEC_UNSUPPORTED", reason },
    ]);
  });

  it("all that is missing is named", () => {
    const missing = [lacking, "the XFRM interface (CONFIG_XFRM_INTERFACE)"];
    const reasons = [...deriveAll({ world, self: { ...self, ipsec: { ...self.ipsec, missing } } }).values()].flatMap(
      ({ skipped }) => skipped?.reason ?? [],
    );
    expect(reasons).toHaveLength(2);
    for (const reason of reasons) expect(reason).toContain(missing.join(", "));
  });

  it("a clear network beside them is what it is on a host that has it", () => {
    const clear = print(of("clear", result));
    expect(clear).toBe(print(of("clear", deriveAll({ world, self }))));
    expect(clear).not.toContain("skip ");
    expect(clear).toMatch(/^network clear: link vx0 .* id 77 local 192\.168\.0\.1 /m);
    expect(clear).toMatch(/^peer clear h2: fdb .* dst 192\.168\.0\.2 dev vx0 /m);
    expect(clear).toMatch(/^endpoint clear h1\/c-h1: link eth0 .* type veth-peer in \/run\/netns\/clear-c-h1 /m);
  });
});

describe("two encrypted VXLAN networks of one port, with one peer in both", () => {
  const sealed = { encryption: "ipsec" };
  const records = [...rocketChatSealed.slice(0, 2), ...vxlan("cyan", 77, sealed), ...vxlan("lime", 78, sealed)];
  const once = [
    "policy host in 192.168.0.2/32 192.168.0.1/32 udp 4789",
    "policy host out 192.168.0.1/32 192.168.0.2/32 udp 4789",
    "tunnel host conn-h2",
    "tunnel host conn-h2 vxlan-4789",
  ];

  function security(result: Result): Row[] {
    return [...result.values()].flatMap(({ rows }) =>
      rows.filter(({ kind }) => kind === "tunnel" || kind === "policy"),
    );
  }

  const idsOf = (rows: readonly Row[]) => [...new Set(rows.map(rowId))].sort();
  const textsOf = (rows: readonly Row[]) => [...new Set(rows.map(describeRow))].sort();

  it("wish one child and one pair of policies between them", () => {
    const result = deriveAll({ world: worldOf(records), self });
    expect([...result.values()].flatMap(({ skipped }) => skipped ?? [])).toEqual([]);
    const rows = security(result);
    expect(idsOf(rows)).toEqual(once);
    // Each wishes all of it, and both the same.
    for (const net of ["cyan", "lime"]) expect(idsOf(security(of(net, result)))).toEqual(once);
    expect(textsOf(rows)).toHaveLength(once.length);
  });

  it.each([
    ["cyan", "lime"],
    ["lime", "cyan"],
  ])("when %s goes, %s wishes them still", (gone, left) => {
    const agent = new Incremental(self);
    agent.take(...records);
    const before = textsOf(security(agent.result));
    agent.take({ key: `networks/${gone}`, created: 10n });
    expect(security(of(gone, agent.result))).toEqual([]);
    expect(idsOf(security(of(left, agent.result)))).toEqual(once);
    expect(textsOf(security(agent.result))).toEqual(before);
    agent.take({ key: `networks/${left}`, created: 10n });
    expect(security(agent.result)).toEqual([]);
  });
});
