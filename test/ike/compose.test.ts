import fc from "fast-check";
import { expect, test } from "vitest";
import type { Child, Connection } from "../../src/desired/rows.ts";
import { type Composer, carried, carriedChild, carriedTime, compose, settingsDigest } from "../../src/ike/compose.ts";
import { mustRenew } from "../../src/ike/renewal.ts";
import { defaultTimings } from "../../src/ike/timings.ts";
import { decodeMessage } from "../../src/ike/vici/decode.ts";
import { encodeMessage } from "../../src/ike/vici/encode.ts";
import { list, section, text } from "../../src/ike/vici/message.ts";
import { whyOf } from "../../src/ike/why.ts";
import { fromNumber } from "../../src/model/address.ts";
import { child, connection, name } from "./arbitrary-rows.ts";

const composer: Composer = { host: "h1", timings: defaultTimings };
test("what charon is told carries the rows that it was told by", () => {
  fc.assert(
    fc.property(connection, fc.dictionary(name, child, { maxKeys: 4 }), (conn, children) => {
      const told = compose({ connection: conn, children: new Map(Object.entries(children)) }, composer);
      const heard = decodeMessage(encodeMessage(told));
      // charon prints an identity with 511 characters at most.
      const groups = list(section(heard, "local"), "groups");
      expect(Math.max(...groups.map(({ length }) => length))).toBeLessThan(511);
      expect(carried(groups.toReversed())).toEqual(conn);
      for (const [each, value] of Object.entries(children))
        expect(carriedChild(text(section(section(heard, "children"), each), "interface") ?? "")).toEqual(value);
    }),
  );
});

test("a child is another for charon where it is to be had once more, and the same for us", () => {
  fc.assert(
    fc.property(connection, fc.dictionary(name, child, { minKeys: 1, maxKeys: 4 }), (conn, children) => {
      const [first = "", ...rest] = Object.keys(children);
      const given = { connection: conn, children: new Map(Object.entries(children)) };
      const [once = {}, anew = {}] = [
        compose(given, composer),
        compose(given, composer, { child: first, mark: "1764201600000" }),
      ].map((told) => section(decodeMessage(encodeMessage(told)), "children"));
      const interfaceOf = (told: typeof once, each: string) => text(section(told, each), "interface") ?? "";
      expect(interfaceOf(anew, first)).not.toBe(interfaceOf(once, first));
      expect(carriedChild(interfaceOf(anew, first))).toEqual(children[first]);
      for (const each of rest) expect(section(anew, each)).toEqual(section(once, each));
    }),
  );
});

test("what charon is told bears when it was told, and when a key was taken", () => {
  const told = compose({ connection: base, children: new Map(), toldAt: 70, revokedAt: 60 }, composer);
  const groups = list(section(decodeMessage(encodeMessage(told)), "local"), "groups");
  expect([carriedTime(groups, "told"), carriedTime(groups, "revoked")]).toEqual([70, 60]);
  expect(carried(groups)).toEqual(base);
  expect(carriedTime(["told.", "told.x1", "revoked.5"], "told")).toBeUndefined();
});

test("what charon is told, in the words of swanctl.conf(5)", () => {
  const proposals = ["aes128gcm16-x25519", "aes128-sha256-x25519"];
  const blue: Child = {
    ...{ type: "child", mode: "tunnel", selector: "0.0.0.0/0", label: "blue", reqid: 7, ifId: 0x53000001 },
    proposals,
  };
  const vxlan: Child = {
    ...{ type: "child", mode: "transport", selector: "dynamic[udp/4789]", label: "vxlan", reqid: 8 },
    proposals,
  };
  const told = (encap: boolean) => {
    const children = new Map([
      ["child-blue", blue],
      ["vxlan-4789", vxlan],
    ]);
    return decodeMessage(encodeMessage(compose({ connection: { ...base, encap }, children }, composer)));
  };
  expect(told(true)).toMatchObject({
    version: "2",
    local_addrs: ["0.0.0.1"],
    remote_addrs: ["0.0.0.2"],
    encap: "yes",
    mobike: "no",
    rekey_time: "14400s",
    dpd_delay: "10s",
    local: { auth: "pubkey", id: "fqdn:h1" },
    remote: { auth: "pubkey", id: "fqdn:h2" },
  });
  expect(told(false)).toMatchObject({ encap: "no" });
  const children = section(told(true), "children");
  const alike = {
    esp_proposals: proposals,
    label_mode: "simple",
    policies: "no",
    replay_window: "1024",
    rekey_time: "3600s",
    start_action: "none",
    close_action: "none",
  };
  expect(Object.keys(children)).toEqual(["child-blue", "vxlan-4789"]);
  expect(section(children, "child-blue")).toMatchObject({
    ...alike,
    mode: "tunnel",
    local_ts: ["0.0.0.0/0"],
    remote_ts: ["0.0.0.0/0"],
    label: "blue",
    reqid: "7",
    if_id_in: "1392508929",
    if_id_out: "1392508929",
  });
  const transport = section(children, "vxlan-4789");
  expect(transport).toMatchObject({
    ...alike,
    mode: "transport",
    local_ts: ["dynamic[udp/4789]"],
    remote_ts: ["dynamic[udp/4789]"],
    label: "vxlan",
    reqid: "8",
  });
  expect(Object.keys(transport)).not.toContain("if_id_in");
});

test("what is none of ours carries nothing", () => {
  for (const groups of [[], ["users"], ["0."], ["0.bm8"], ["0.bnVsbA"]]) expect(carried(groups)).toBeUndefined();
  fc.assert(
    fc.property(fc.array(fc.string()), (groups) => {
      expect(carried(groups)).toBeUndefined();
    }),
  );
  expect(carriedChild("eth0")).toBeUndefined();
});

test("other timings, or another host, are other settings", () => {
  const others = [
    { ...composer, host: "h2" },
    { ...composer, timings: { ...defaultTimings, childRekeyS: 60 } },
  ];
  expect(new Set([composer, ...others].map(settingsDigest)).size).toBe(3);
});

const [k1, k2, k3] = [`${"1".repeat(42)}A=`, `${"2".repeat(42)}A=`, `${"3".repeat(42)}A=`] as const;
const base: Connection = {
  type: "connection",
  host: "h2",
  local: fromNumber(1),
  remote: fromNumber(2),
  encap: true,
  auth: { type: "pubkey", own: k1, peer: [k2] },
};
const renewals: [string, Partial<Connection>, boolean][] = [
  ["nothing", {}, false],
  ["a further key of the peer", { auth: { type: "pubkey", own: k1, peer: [k2, k3] } }, false],
  ["another own key", { auth: { type: "pubkey", own: k3, peer: [k2] } }, false],
  ["a key that is the peer's no longer", { auth: { type: "pubkey", own: k1, peer: [k3] } }, true],
  ["a secret instead of keys", { auth: { type: "psk" } }, true],
  ["another address here", { local: fromNumber(3) }, true],
  ["another address there", { remote: fromNumber(3) }, true],
  ["no UDP any more", { encap: false }, true],
];
test.each(renewals)("%s: whether it makes an IKE_SA wrong", (_, changes, expected) => {
  expect(mustRenew(base, { ...base, ...changes })).toBe(expected);
});

const words: [string, string[], string | undefined][] = [
  ["nothing", ["initiating IKE_SA conn-h2[1] to 10.99.0.2"], undefined],
  [
    "a peer that does not know us",
    ["initiating IKE_SA", "received NO_PROPOSAL_CHOSEN notify error"],
    "received NO_PROPOSAL_CHOSEN notify error",
  ],
  [
    "a peer with another key than ours of it",
    [
      '  using trusted certificate "h2"',
      "signature validation failed, looking for another key",
      "no alternative config found",
    ],
    "signature validation failed, looking for another key",
  ],
  [
    "a peer that does not answer",
    [
      "retransmit 3 of request with message ID 0",
      "giving up after 3 retransmits",
      "establishing IKE_SA failed, peer not responding",
    ],
    "establishing IKE_SA failed, peer not responding",
  ],
  [
    "a child that is refused",
    ["received TS_UNACCEPTABLE notify, no CHILD_SA built", "failed to establish CHILD_SA, keeping IKE_SA"],
    "received TS_UNACCEPTABLE notify, no CHILD_SA built",
  ],
  [
    "a peer that ends it",
    ["received DELETE for IKE_SA conn-h1[5]", "IKE_SA deleted"],
    "received DELETE for IKE_SA conn-h1[5]",
  ],
];
test.each(words)("%s: charon's most telling word", (_, lines, expected) => {
  expect(whyOf(lines)).toBe(expected);
});
