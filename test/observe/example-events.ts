import type { RecordKey } from "../../src/model/keys.ts";
import type { AgentEvent } from "../../src/observe/event.ts";
import type { Cause } from "../../src/reconcile/event.ts";
import { link, route, strayLink } from "./fake-view.ts";

const cause: Cause = { key: "networks/blue" as RecordKey, revision: "1042", at: 0 };

/** One of every sort, and both forms of those that have two. */
export const events: readonly AgentEvent[] = [
  { type: "added", row: route, cause, ms: 1.5 },
  { type: "replaced", row: link, was: { type: "bridge", mtu: 1400, up: true }, cause: { key: "start", at: 0 }, ms: 2 },
  { type: "removed", row: strayLink, cause, ms: 0.25 },
  { type: "repaired", row: route, cause: { key: "drift", at: 0 }, ms: 12 },
  {
    type: "failed",
    row: route,
    failure: { code: "ENETUNREACH", message: "Cannot add route: expected vx0 to be up", next: "retry" },
    attempt: 1,
    retryMs: 100.5,
    cause,
  },
  { type: "drifted", row: route, found: undefined },
  { type: "drifted", row: link, found: { type: "bridge", mtu: 1450, up: false } },
  { type: "conflicted", row: link, units: ["network blue", "network red"] },
  { type: "braked", removals: 40, rows: 42, why: "40 of 42 rows would go unseen" },
  { type: "released", removals: 40 },
  { type: "relisted", why: "netlink events were lost", scope: "net:blue", rows: 42, ms: 3 },
  { type: "unlisted", kind: "guard", scope: "host", message: "Cannot list nft", attempt: 1, retryMs: 100 },
  { type: "stalled", kind: "link", scope: "host", rows: 2, ms: 5000 },
  { type: "converged", rows: 42, waiting: 0, writes: 3, ms: 4 },
  { type: "converged", rows: 42, waiting: 1, writes: 3, ms: 4 },
  { type: "rejected", key: "networks/b\nd", revision: "1041", code: "JSON", reason: "Cannot read record" },
  {
    type: "skipped",
    key: "networks/red" as RecordKey,
    skip: { key: "networks/red" as RecordKey, code: "VNI_TAKEN", reason: "vni 1042 belongs to networks/blue" },
  },
  { type: "skipped", key: "networks/red" as RecordKey },
  { type: "joined", net: "blue", why: "containers/h1/rocketchat came" },
  { type: "left", net: "blue", why: "its last container went 60 s ago" },
  {
    type: "collected",
    key: "addresses/blue/10.42.64.70" as RecordKey,
    net: "blue",
    why: "keyspaces/blue/containers/h1/app does not have it",
  },
  { type: "stale", keys: "networks/", since: Date.parse("2026-01-02T03:04:05Z"), why: "no answer" },
  { type: "fresh", keys: "networks/", staleMs: 4200 },
  { type: "doubt", keys: "keyspaces/blue/", why: "etcd went back to revision 900" },
  { type: "underlay", dev: "eth0", address: "192.0.2.1", mtu: 1500 },
  { type: "underlay", dev: "eth0", address: "192.0.2.9", mtu: 1400, was: { address: "192.0.2.1", mtu: 1500 } },
  { type: "tunnel-up", peer: "h2", child: "child-blue", cipher: "AES_GCM_16-128", ms: 27.25 },
  { type: "tunnel-down", peer: "h2", child: "child-blue", why: "the peer ended it" },
  { type: "tunnel-rekeyed", peer: "h2", child: "vxlan-4789", cipher: "AES_GCM_16-128" },
  { type: "tunnel-rekey-failed", peer: "h2", child: "child-blue", why: "received NO_PROPOSAL_CHOSEN notify error" },
  {
    type: "tunnel-retrying",
    peer: "h2",
    child: "child-blue",
    attempt: 2,
    nextMs: 2000.5,
    why: "establishing CHILD_SA 'child-blue' failed",
  },
  { type: "tunnel-duplicate", peer: "h2", ended: 1 },
  { type: "tunnel-lost", peer: "h2", child: "child-blue" },
  { type: "charon-away", why: "Cannot connect to /run/skein/charon.vici: expected charon, got ENOENT" },
  { type: "charon-back", version: "charon-systemd 5.9.8", awayMs: 0 },
  { type: "charon-back", version: "charon-systemd 5.9.8", awayMs: 4200 },
  { type: "warned", code: "STATUS", message: "Cannot put status/blue/h1" },
];
