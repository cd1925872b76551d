import { type Level, pino } from "pino";
import { Subject } from "rxjs";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { AgentEvent } from "../../src/observe/event.ts";
import { logEvents } from "../../src/observe/log.ts";
import { events } from "./example-events.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function logged(level: Level) {
  const lines: string[] = [];
  const write = (json: string) => {
    const line = JSON.parse(json);
    lines.push(`${pino.levels.labels[line.level]} ${line.msg}`);
  };
  const events$ = new Subject<AgentEvent>();
  const end = logEvents(pino({ level }, { write }), events$);
  return { lines, events$, end };
}

it("tells a person what happened, why, and what comes next", () => {
  const { lines, events$ } = logged("debug");
  for (const event of events) events$.next(event);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "debug added route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue 1.5 ms after networks/blue at revision 1042
    debug replaced link br0 mtu 1400 up type bridge in skein-blue by link br0 mtu 1450 up type bridge in skein-blue 2.0 ms after start
    debug removed link sk12ab mtu 1500 up type bridge 0.3 ms after networks/blue at revision 1042
    info repaired route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue after 12 ms
    error cannot apply route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue: Cannot add route: expected vx0 to be up (ENETUNREACH, attempt 1, next in 101 ms)
    warn somebody removed route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue; putting it back
    warn somebody changed link br0 mtu 1450 up type bridge in skein-blue to link br0 mtu 1450 down type bridge in skein-blue; putting it back
    error network blue and network red want different values of link br0 mtu 1450 up type bridge in skein-blue; the first has its way
    error holding back the removal of 40 of 42 rows: 40 of 42 rows would go unseen. If that is meant: skein release. What would go: skein plan
    info released: removing 40 rows that were held back
    debug listed 42 rows in net:blue again after 3.0 ms: netlink events were lost
    error cannot list guard rows in host, which are left alone until then: Cannot list nft (attempt 1, next in 100 ms)
    error no answer on 2 link rows in host for 5.0 s; all others go on without them
    debug 3 writes in 4.0 ms; 42 rows are as declared
    debug 3 writes in 4.0 ms; 1 of 42 rows have failed and wait
    error ignoring networks/b\\u{a}d of revision 1041, which is no record: Cannot read record
    warn networks/red has no effect here: vni 1042 belongs to networks/blue
    info networks/red is fine now
    info joined network blue: containers/h1/rocketchat came
    info left network blue: its last container went 60 s ago
    info took back addresses/blue/10.42.64.70: keyspaces/blue/containers/h1/app does not have it
    warn etcd does not tell of networks/ since 2026-01-02T03:04:05.000Z: no answer. All rows stay as they are; trying again
    info etcd tells of networks/ again, after 4.2 s
    warn records of keyspaces/blue/ may have gone unseen: etcd went back to revision 900. Listing them again before anything is removed
    info underlay is eth0, 192.0.2.1, mtu 1500
    warn underlay eth0 is now 192.0.2.9, mtu 1400; it was 192.0.2.1, mtu 1500. Following it
    info tunnel child-blue to h2 is up after 27 ms, AES_GCM_16-128
    warn tunnel child-blue to h2 is down: the peer ended it. Nothing passes until it is up again
    debug tunnel vxlan-4789 to h2 has new keys, AES_GCM_16-128
    warn no new keys for tunnel child-blue to h2: received NO_PROPOSAL_CHOSEN notify error. It goes on with those that it has; trying again
    warn cannot establish tunnel child-blue to h2: establishing CHILD_SA 'child-blue' failed (attempt 2, next in 2.0 s)
    info IKE to h2 stood more than once: the newest stays, 1 ended
    warn somebody took the keys of tunnel child-blue to h2 from the kernel; making new ones
    error charon does not answer: Cannot connect to /run/skein/charon.vici: expected charon, got ENOENT. Tunnels stay as they are; trying again
    info charon is there: charon-systemd 5.9.8
    info charon answers again, after 4.2 s: charon-systemd 5.9.8
    warn Cannot put status/blue/h1"
  `);
});

it("keeps rows that come and go for debugging", () => {
  const { lines, events$ } = logged("info");
  for (const event of events) if (["added", "replaced", "removed"].includes(event.type)) events$.next(event);
  expect(lines).toEqual([]);
});

it("logs the first few of one sort and counts the rest", () => {
  const { lines, events$ } = logged("info");
  const reject = (n: number): AgentEvent => {
    return { type: "rejected", key: `networks/n${n}`, revision: "7", code: "JSON", reason: "no JSON" };
  };
  for (let n = 1; n <= 10_000; n++) events$.next(reject(n));
  events$.next({ type: "released", removals: 1 });
  expect(lines).toHaveLength(6);
  vi.advanceTimersByTime(10_000);
  expect(lines.at(-1)).toBe("warn and 9995 more like that (rejected) in 10 s; skein status has them");
  events$.next(reject(1));
  expect(lines).toHaveLength(8);
});

it("says at its end what it has left out", () => {
  const { lines, events$, end } = logged("info");
  for (let n = 0; n < 6; n++) events$.next({ type: "joined", net: `n${n}`, why: "a container came" });
  end();
  expect(lines.at(-1)).toContain("and 1 more like that (joined)");
});

it("logs a row that fails all night ever more rarely", () => {
  const { lines, events$ } = logged("info");
  const failed = events.find((event) => event.type === "failed");
  for (let attempt = 1; attempt <= 100; attempt++) {
    events$.next({ ...failed, attempt } as AgentEvent);
    vi.advanceTimersByTime(60_000);
  }
  expect(lines.map((line) => /attempt (\d+)/.exec(line)?.[1])).toEqual(["1", "2", "4", "8", "16", "32", "64"]);
});
