import type { TunnelState, TunnelUp } from "../../src/ike/tunnel-state.ts";
import type { RecordKey } from "../../src/model/keys.ts";
import type { AgentView, NetworkState } from "../../src/observe/view.ts";
import { blue, exampleWorld, type FakeView, fakeView, newKey, oldKey } from "./fake-view.ts";

export const up: TunnelUp = {
  state: "up",
  mode: "tunnel",
  cipher: "AES_GCM_16-128",
  ike: "AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519",
  encap: true,
  local: "192.0.2.1:4500",
  remote: "192.0.2.2:4500",
  initiator: true,
  since: 720,
  rekeyIn: 2880,
  ikeSince: 7200,
  ikeRekeyIn: 7300,
  spiIn: "c2b4a1f0",
  spiOut: "c91d0e37",
  bytesIn: 1_234_567,
  bytesOut: 812,
  packetsIn: 1,
  packetsOut: 8,
};

const member = (address: string) => ({ address, mac: `0e:53:${address.split(".").map(hex).join(":")}` });
const hex = (octet: string) => Number(octet).toString(16).padStart(2, "0");

/** `green` goes through tunnels, `pink` through encrypted VXLAN, with h2 to h4; h4 has published no key. */
const records = {
  "networks/green": { cidr: "10.44.0.0/16" },
  "networks/pink": { cidr: "10.45.0.0/16", backend: { type: "vxlan", vni: 7 }, encryption: "ipsec" },
  "hosts/h1": { address: "192.0.2.1", ike: { keys: [oldKey, newKey] } },
  "hosts/h2": { address: "192.0.2.2", ike: { keys: [newKey] } },
  "keyspaces/green/members/h1": member("10.44.0.1"),
  "keyspaces/green/members/h2": member("10.44.1.0"),
  "keyspaces/green/members/h3": member("10.44.2.0"),
  "keyspaces/green/members/h4": member("10.44.3.0"),
  "keyspaces/pink/members/h1": member("10.45.0.1"),
  "keyspaces/pink/members/h2": member("10.45.1.0"),
  "keyspaces/pink/members/h3": member("10.45.2.0"),
};

export const states: TunnelState[] = [
  { peer: "h2", child: "child-green", label: "green", ...up },
  { peer: "h3", child: "child-green", label: "green", state: "down", why: "no answer", attempt: 4, nextMs: 8000.4 },
  { peer: "h2", child: "vxlan-4789", label: "vxlan", ...up, mode: "transport", encap: false, remote: "192.0.2.2:500" },
  { peer: "h3", child: "vxlan-4789", label: "vxlan", state: "connecting", attempt: 1 },
];

/** A host with encrypted networks, of which some tunnels are up. */
export function sealedView(given: Partial<AgentView> = {}): FakeView {
  const green: NetworkState = {
    ...{ ...blue, net: "green", converged: blue.observed, failed: [] },
    tunnels: { wanted: 3, up: 1, why: "h3: no answer" },
    skipped: [{ key: "hosts/h4" as RecordKey, code: "PEER_KEYLESS", reason: "host h4 has published no IKE key" }],
  };
  return fakeView({
    world: exampleWorld(records),
    networks: () => [green],
    rejected: () => [],
    braked: () => undefined,
    charon: () => ({ type: "connected", version: "charon-systemd 5.9.8" }),
    tunnels: async () => states,
    ...given,
  });
}
