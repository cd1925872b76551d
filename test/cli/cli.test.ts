import { describe, expect, it } from "vitest";
import { revision } from "../../src/model/revision.ts";
import type { AgentView, WaitResult } from "../../src/observe/view.ts";
import { WaitError } from "../../src/observe/wait-error.ts";
import { events } from "../observe/example-events.ts";
import { blue, fakeView } from "../observe/fake-view.ts";
import { serving } from "../observe/serving.ts";
import { type Ran, skein } from "./skein.ts";

const here = serving();

async function against(view: AgentView, line: string, env?: NodeJS.ProcessEnv): Promise<Ran> {
  await here.serve(view);
  return skein([...line.split(" "), "--socket", here.path], env);
}

/** A host that nothing is the matter with. */
function healthy(): AgentView {
  const well = { ...blue, converged: blue.observed, failed: [], skipped: [] };
  return fakeView({ networks: () => [well], rejected: () => [], braked: () => undefined, plan: () => [] });
}

describe("status", () => {
  it("shows a host that is well in a few lines", async () => {
    const { code, stdout, stderr } = await against(healthy(), "status");
    expect(stdout).toMatchInlineSnapshot(`
      "host      h1, ready, up 3 min, skein 0.1.0
      underlay  eth0 192.0.2.1/24, mtu 1500
      etcd      http://192.0.2.10:2379, keys below /skein/v1/

      NETWORK  AGENT        ROWS  OBSERVED  CONVERGED  FAILED  SKIPPED
      blue     10.42.64.64  42    1042      1042       0       0
      "
    `);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("says what is wrong, and what to do about it", async () => {
    const { code, stdout } = await against(fakeView(), "status");
    expect(stdout).toMatchInlineSnapshot(`
      "host      h1, ready, up 3 min, skein 0.1.0
      underlay  eth0 192.0.2.1/24, mtu 1500
      etcd      http://192.0.2.10:2379, keys below /skein/v1/
      brake     holding back 40 of 42 rows: 40 of 42 rows would go unseen; see skein plan, let go with skein release

      NETWORK  AGENT        ROWS  OBSERVED  CONVERGED  FAILED  SKIPPED
      blue     10.42.64.64  42    1042      1040       1       1
      red      -            0     1042      1042       0       1

      failed
        route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue: Cannot add route: expected vx0 to be up (ENETUNREACH, attempt 3, next in 0.0 ms)

      skipped
        keyspaces/blue/containers/h1/spare: it has no ip (ADDRESS_MISSING)
        networks/red: vni 1042 belongs to networks/blue, which is older (VNI_TAKEN)

      rejected
        networks/b\\u{a}d: Cannot read record (JSON, revision 1041)
      "
    `);
    expect(code).toBe(0);
  });

  it("says since when etcd is away, and that rows stay", async () => {
    const staleSince = Date.now() - 180_000;
    const etcd = () => ({ endpoints: ["unix:/e"], prefix: "/skein/v1/", embedded: true, staleSince, why: "no answer" });
    const { stdout } = await against(fakeView({ etcd, ready: () => false }), "status");
    expect(stdout.split("\n").slice(0, 4)).toEqual([
      "host      h1, starting, up 3 min, skein 0.1.0",
      "underlay  eth0 192.0.2.1/24, mtu 1500",
      "etcd      the agent's own, unix:/e, keys below /skein/v1/",
      "          away for 3 min: no answer; rows and names stay as they are",
    ]);
  });

  it("--json prints what the agent answers", async () => {
    const { stdout } = await against(fakeView({ startedAt: 0 }), "status --json");
    const { body } = await here.ask("GET /v1/status");
    expect(JSON.parse(stdout)).toEqual(body);
  });

  it("has colours where asked for by the environment, and never with --no-color", async () => {
    const red = "\u001b[31m";
    await here.serve(fakeView());
    const forced = await skein(["status", "--socket", here.path], { FORCE_COLOR: "1" });
    const refused = await skein(["status", "--no-color", "--socket", here.path], { FORCE_COLOR: "1" });
    expect(forced.stdout).toContain(red);
    expect(refused.stdout).not.toContain(red);
  });
});

describe("plan", () => {
  it("shows each row with its reason", async () => {
    const { code, stdout } = await against(fakeView(), "plan");
    expect(stdout).toMatchInlineSnapshot(`
      "+ route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue
          because keyspaces/blue/blocks/10.42.118.0-26, networks/blue
      ~ link br0 mtu 1450 up type bridge in skein-blue
          was link br0 mtu 1400 up type bridge in skein-blue
          because networks/blue
      - link sk12ab mtu 1500 up type bridge
          since no record asks for it
          held: the brake

      Plan for h1: 1 to add, 1 to replace, 1 to remove.
      "
    `);
    expect(code).toBe(0);
  });

  it("of a converged host is empty, also for a script", async () => {
    const { code, stdout } = await against(healthy(), "plan --exit-code");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Nothing to change on h1.\n" });
  });

  it("--exit-code tells a script that there is something", async () => {
    const { code, stderr } = await against(fakeView(), "plan --exit-code --json");
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: "skein: Cannot call h1 converged: expected an empty plan, got 3\n",
    });
  });
});

describe("lists", () => {
  it("show networks", async () => {
    expect((await against(fakeView(), "networks")).stdout).toMatchInlineSnapshot(`
      "NETWORK  CIDR          BACKEND  VNI   ENCRYPTED  AGENTS  CONTAINERS  HERE                                                        EGRESS
      blue     10.42.0.0/16  vxlan    1042  no         2       3           yes                                                         yes
      red      10.42.0.0/16  vxlan    1042  no         0       0           refused: vni 1042 belongs to networks/blue, which is older  no
      "
    `);
  });

  it("show hosts", async () => {
    expect((await against(fakeView(), "hosts")).stdout).toMatchInlineSnapshot(`
      "HOST       UNDERLAY   ALIVE  CONTAINERS  NETWORKS
      h1 (this)  192.0.2.1  yes    2           blue 10.42.64.64
      h2         192.0.2.2  no     1           blue 10.42.118.0
      "
    `);
  });

  it("show containers", async () => {
    expect((await against(fakeView(), "containers --network blue")).stdout).toMatchInlineSnapshot(`
      "NETWORK  HOST  CONTAINER   MAC                ADDRESS       STACK        PROBLEM
      blue     h1    rocketchat  02:53:0a:2a:40:62  10.42.64.98   rocket-chat
      blue     h1    spare       -                  -             -            it has no ip
      blue     h2    mongo       06:00:00:00:00:07  10.42.118.43  -
      "
    `);
  });

  it("refuse a network that there is not", async () => {
    const { code, stderr } = await against(fakeView(), "containers --network green");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'skein: Cannot list containers: expected a network that exists, got "green"\n',
    });
  });
});

describe("events", () => {
  it("are one line each, then the agent's end", async () => {
    const view = fakeView();
    await here.serve(view);
    for (const event of events) view.events$.next(event);
    view.events$.complete();
    const { code, stdout, stderr } = await skein(["events", "--recent", "100", "--socket", here.path]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.every((line) => /^\d\d:\d\d:\d\d\.\d{3} /.test(line))).toBe(true);
    expect(lines.map((line) => line.slice("00:00:00.000 ".length)).join("\n")).toMatchInlineSnapshot(`
      "+ route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue, 1.5 ms after networks/blue at 1042
      ~ link br0 mtu 1450 up type bridge in skein-blue, was link br0 mtu 1400 up type bridge in skein-blue, 2.0 ms after start
      - link sk12ab mtu 1500 up type bridge, 0.3 ms after networks/blue at 1042
      + route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue: repaired in 12 ms
      ! route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue: Cannot add route: expected vx0 to be up (ENETUNREACH, attempt 1, next in 101 ms)
      ? route 10.42.118.0/26 via 10.42.118.1 dev vx0 onlink src 10.42.64.64 in skein-blue: gone
      ? link br0 mtu 1450 up type bridge in skein-blue: found link br0 mtu 1450 down type bridge in skein-blue
      ! link br0 mtu 1450 up type bridge in skein-blue: wished differently by network blue and network red
      ! holding back 40 of 42 rows: 40 of 42 rows would go unseen
        released, 40 removals to go
        listed 42 rows in net:blue in 3.0 ms: netlink events were lost
      ! cannot list guard in host: Cannot list nft
      ! no answer on link in host for 5.0 s
      = 3 writes in 4.0 ms, 42 rows
      ! 3 writes in 4.0 ms, 42 rows, 1 failed
      ! networks/b\\u{a}d is no record: Cannot read record (JSON, revision 1041)
      ! networks/red has no effect here: vni 1042 belongs to networks/blue (VNI_TAKEN)
        networks/red is fine now
        joined network blue: containers/h1/rocketchat came
        left network blue: its last container went 60 s ago
        took back addresses/blue/10.42.64.70: keyspaces/blue/containers/h1/app does not have it
      ! etcd does not tell of networks/: no answer
        etcd tells of networks/ again, after 4.2 s
      ! records of keyspaces/blue/ may have gone unseen: etcd went back to revision 900
        underlay eth0 192.0.2.1, mtu 1500
        underlay eth0 192.0.2.9, mtu 1400, was 192.0.2.1, mtu 1500
      + child-blue to h2: up in 27 ms, AES_GCM_16-128
      - child-blue to h2: down: the peer ended it
      ~ vxlan-4789 to h2: rekeyed, AES_GCM_16-128
      ! child-blue to h2: no new keys: received NO_PROPOSAL_CHOSEN notify error
      ! child-blue to h2: establishing CHILD_SA 'child-blue' failed (attempt 2, next in 2.0 s)
        IKE to h2: stood more than once, 1 older one ended
      ? child-blue to h2: its SAs are gone from the kernel
      ! charon does not answer: Cannot connect to /run/skein/charon.vici: expected charon, got ENOENT; tunnels stay as they are
        charon is there: charon-systemd 5.9.8
        charon answers again after 4.2 s: charon-systemd 5.9.8
      ! Cannot put status/blue/h1 (STATUS)"
    `);
    expect(code).toBe(3);
    expect(stderr).toBe("skein: Cannot follow on: expected the agent to go on, it has ended\n");
  });

  it("--json prints the lines as they came, and --no-follow ends after them", async () => {
    const view = fakeView();
    await here.serve(view);
    for (const event of events) view.events$.next(event);
    const { code, stdout } = await skein(["events", "--json", "--recent", "2", "--no-follow", "--socket", here.path]);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ seq }) => seq)).toEqual([events.length - 1, events.length]);
    expect(code).toBe(0);
  });
});

describe("wait", () => {
  it("returns when all have converged", async () => {
    const view = fakeView();
    const { code, stdout } = await against(view, "wait --network blue --revision 1043 --timeout 5s");
    expect(stdout).toMatch(/^blue: 2 hosts converged to revision 1043 in \d+(\.\d)? ms\n$/);
    expect(code).toBe(0);
    expect(view.asked).toEqual(["wait blue 1043"]);
  });

  it("names the hosts that have not, and why", async () => {
    const late: WaitResult = {
      converged: false,
      revision: revision("1043"),
      hosts: [
        { host: "h1", converged: revision("1043"), alive: true, waiting: 0, failed: [] },
        { host: "h2", converged: revision("999"), alive: true, waiting: 2, failed: ["route 10.42.0.0/26: no vx0"] },
        { host: "h3", converged: undefined, alive: false, waiting: 0, failed: [] },
      ],
    };
    const { code, stdout, stderr } = await against(fakeView({ wait: async () => late }), "wait --network blue");
    expect(stdout).toMatchInlineSnapshot(`
      "HOST  THERE  CONVERGED  ALIVE  FAILED  FIRST FAILURE
      h1    yes    1043       yes    0
      h2    no     999        yes    2       route 10.42.0.0/26: no vx0
      h3    no     -          no     0
      "
    `);
    expect(stderr.replace(/within \S+ ms/, "within MS")).toBe(
      "skein: Cannot call blue converged: expected every host at revision 1043 within MS, " +
        "got 2 of 3 hosts behind: h2, h3 (its agent is not alive)\n",
    );
    expect(code).toBe(4);
  });

  it.each([
    ["ETCD_AWAY", 4],
    ["NETWORK_UNKNOWN", 1],
  ] as const)("ends for %s with %i", async (reason, code) => {
    const wait = async () => {
      throw new WaitError(reason, "Cannot wait for network blue: expected something, got nothing");
    };
    const ran = await against(fakeView({ wait }), "wait --network blue");
    expect(ran).toEqual({
      code,
      stdout: "",
      stderr: "skein: Cannot wait for network blue: expected something, got nothing\n",
    });
  });
});

describe("orders", () => {
  it("release and leave say what was done", async () => {
    const view = fakeView();
    await here.serve(view);
    const released = await skein(["release", "--socket", here.path]);
    const left = await skein(["leave"], { SKEIN_SOCKET: here.path });
    expect([released.stdout, left.stdout]).toEqual([
      "Released: 40 rows to remove.\n",
      "Left: no row and no record of this host's agent remains, and it ends.\n",
    ]);
    expect(view.asked).toEqual(["release", "leave"]);
  });
});
