import { describe, expect, it } from "vitest";
import { amount } from "../../src/cli/amount.ts";
import { doctorText, faultText } from "../../src/cli/doctor-text.ts";
import type { Check } from "../../src/doctor/check.ts";
import type { AgentView } from "../../src/observe/view.ts";
import { fakeView, newKey, oldKey, waited } from "../observe/fake-view.ts";
import { sealedView } from "../observe/sealed-view.ts";
import { serving } from "../observe/serving.ts";
import { type Ran, skein } from "./skein.ts";

const here = serving();

async function against(view: AgentView, line: string): Promise<Ran> {
  await here.serve(view);
  return skein([...line.split(" "), "--socket", here.path]);
}

describe("tunnels", () => {
  it("are a line a network and peer, and a reason for each that is not up", async () => {
    const { code, stdout } = await against(sealedView(), "tunnels");
    expect(stdout).toMatchInlineSnapshot(`
      "charon  charon-systemd 5.9.8, connected

      NETWORK  PEER  STATE       CIPHER          MODE           SINCE   REKEY IN  IN                OUT               REMOTE
      green    h2    up          AES_GCM_16-128  tunnel in UDP  12 min  48 min    1.2 MB, 1 packet  812 B, 8 packets  192.0.2.2:4500
               h3    down
               h4    down
      pink     h2    up          AES_GCM_16-128  transport      12 min  48 min    1.2 MB, 1 packet  812 B, 8 packets  192.0.2.2:500
               h3    connecting

      2 of 5 tunnels up

      not up
        h3 (green): no answer (attempt 4, next in 8.0 s)
        h4 (green): host h4 has published no IKE key
      "
    `);
    expect(code).toBe(0);
  });

  it("of a host without any are none", async () => {
    const { stdout } = await against(fakeView(), "tunnels");
    expect(stdout).toMatchInlineSnapshot(`
      "charon  not needed: this host takes part in no encrypted network

      no tunnels: this host shares no encrypted network with another
      "
    `);
  });

  it("stay as they are while charon is away", async () => {
    const away = { type: "away", since: Date.now() - 180_000, why: "Cannot connect: ENOENT" } as const;
    const { stdout } = await against(sealedView({ charon: () => away }), "tunnels --network pink");
    expect(stdout.split("\n")[0]).toBe("charon  away for 3 min: Cannot connect: ENOENT; tunnels stay as they are");
    expect(stdout).not.toContain("green");
  });

  it("are data with --json", async () => {
    const { stdout } = await against(sealedView(), "tunnels --json");
    expect(JSON.parse(stdout)).toMatchObject({ tunnels: [{ peer: "h2", spiIn: "c2b4a1f0" }, {}, {}, {}, {}] });
  });
});

describe("tunnels rekey", () => {
  it("says for which new keys are made", async () => {
    const view = sealedView();
    const { code, stdout } = await against(view, "tunnels rekey --network pink --peer h2");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "New keys are being made for 1 tunnel: pink to h2.\n" });
    expect(view.asked).toEqual(["rekey vxlan-4789 to h2"]);
  });

  it("has none to make where no tunnel is up", async () => {
    const { code, stderr } = await against(sealedView(), "tunnels rekey --peer h3");
    expect(stderr).toBe("skein: Cannot make new keys: expected a tunnel that is up, got none; see skein tunnels\n");
    expect(code).not.toBe(0);
  });
});

describe("status", () => {
  it("shows charon, and how many tunnels are up of how many", async () => {
    const { stdout } = await against(sealedView(), "status");
    expect(stdout).toMatchInlineSnapshot(`
      "host      h1, ready, up 3 min, skein 0.1.0
      underlay  eth0 192.0.2.1/24, mtu 1500
      etcd      http://192.0.2.10:2379, keys below /skein/v1/
      charon    charon-systemd 5.9.8, connected

      NETWORK  AGENT        ROWS  OBSERVED  CONVERGED  FAILED  SKIPPED  TUNNELS UP
      green    10.42.64.64  42    1042      1042       0       1        1 of 3

      tunnels
        green: 2 of 3 not up, h3: no answer; see skein tunnels

      skipped
        hosts/h4: host h4 has published no IKE key (PEER_KEYLESS)
      "
    `);
  });
});

describe("wait", () => {
  it("says what tunnels are down, and is done all the same", async () => {
    const [h1, h2] = waited.hosts as [(typeof waited.hosts)[0], (typeof waited.hosts)[0]];
    const late = { ...waited, hosts: [h1, { ...h2, tunnels: { wanted: 2, up: 1, why: "h3: no answer" } }] };
    const { code, stdout } = await against(sealedView({ wait: async () => late }), "wait --network green");
    expect(stdout).toContain("\nh2: 1 of 2 tunnels not up, h3: no answer\n");
    expect(code).toBe(0);
  });
});

describe("keys", () => {
  it("are shown by host", async () => {
    const { code, stdout } = await against(sealedView(), "keys show");
    expect(stdout).toMatchInlineSnapshot(`
      "HOST       KEY
      h1 (this)  l0fmcrGhNe8SBOSNvfmAcAmdoUr2SzH5PrbgxD7gVME=
                 SbwkhMm8KYvMtJv0qjdYKmCbj0FVo5sR3EV5uO9nZnE=
      h2         SbwkhMm8KYvMtJv0qjdYKmCbj0FVo5sR3EV5uO9nZnE=
      "
    `);
    expect(code).toBe(0);
  });

  it("of hosts that published none are none", async () => {
    const { stdout } = await against(fakeView(), "keys show");
    expect(stdout).toMatch(/^h2 +-$/m);
  });

  it("are to be changed once all peers have the new one", async () => {
    const { code, stdout } = await against(fakeView(), "keys rotate");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `h1 has published ${newKey}. ${oldKey} stays in use until every peer accepts the new one; waiting for h2.\n`,
    });
  });

  it("are changed when they are", async () => {
    const done = { from: oldKey, to: newKey, state: "done", waitingFor: [] } as const;
    const { stdout } = await against(fakeView({ rotateKeys: async () => done }), "keys rotate");
    expect(stdout).toBe(`h1 proves itself by ${newKey} now; ${oldKey} is forgotten.\n`);
  });
});

describe("doctor", () => {
  const checks: Check[] = [
    { area: "kernel", name: "release", verdict: "well", expected: "Linux 5.18 or newer", found: "6.1.0" },
    { area: "ports", name: "UDP 500", verdict: "wrong", expected: "nobody", found: "charon", remedy: "stop it" },
    { area: "host", name: "clock", verdict: "warning", expected: "synchronised", found: "not", remedy: "chrony" },
    { area: "agent", name: "agent", verdict: "unknown", expected: "one", found: "no permission\u001b" },
  ];

  it("says of what is not well what was expected, and what to do", () => {
    expect(doctorText({ healthy: false, checks }, { paint: (_, text) => text })).toMatchInlineSnapshot(`
      "ok       kernel: release  6.1.0
      WRONG    ports: UDP 500   charon
               expected nobody
               remedy: stop it
      warning  host: clock      not
               expected synchronised
               remedy: chrony
      unknown  agent            no permission\\u{1b}
               expected one

      4 checks: 1 well, 1 warning, 1 wrong, 1 that could not be seen"
    `);
    expect(faultText({ healthy: false, checks })).toBe(
      "Cannot call this host well: expected nothing wrong, got 1 fault: ports: UDP 500",
    );
  });

  it("takes an unknown agent's word for nothing", async () => {
    const { code, stderr } = await skein(["doctor", "--config", "/nowhere.json", "--socket", here.path]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("Cannot read configuration") });
  });
});

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [9_960, "10 kB"],
  [1000, "1.0 kB"],
  [1_234_567, "1.2 MB"],
  [34_000_000_000, "34 GB"],
  [999_999, "1.0 MB"],
])("%i octets are %s", (octets, text) => {
  expect(amount(octets)).toBe(text);
});
