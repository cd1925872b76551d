import { describe, expect, it } from "vitest";
import type { AgentView } from "../../src/observe/view.ts";
import { fakeView } from "../observe/fake-view.ts";
import { serving } from "../observe/serving.ts";
import { type Ran, skein } from "./skein.ts";

const here = serving();

async function against(view: AgentView, line: string): Promise<Ran> {
  await here.serve(view);
  return skein([...line.split(" "), "--socket", here.path]);
}

describe("ipam show", () => {
  it("is a line a network and a line a host", async () => {
    const { code, stdout } = await against(fakeView(), "ipam show");
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "NETWORK  HOST  BLOCKS                              USED  FREE   BORROWED  RESTING
      blue     all   1 of 10.42.0.0/16, 65533 addresses  5     65527  2         1
               h1    10.42.64.64/26                      3     60     0         1
               h2    -                                   2     0      2         0
      "
    `);
  });

  it("is data with --json", async () => {
    const { stdout } = await against(fakeView(), "ipam show --network blue --json");
    expect(JSON.parse(stdout)).toMatchObject({
      networks: [{ network: "blue", blocks: 1, used: 5, borrowed: 2, hosts: [{ host: "h1" }, { host: "h2" }] }],
    });
  });

  it("fails for a network that is none", async () => {
    const { code, stderr } = await against(fakeView(), "ipam show --network green");
    expect(code).toBe(1);
    expect(stderr).toContain('expected a network that exists, got "green"');
  });
});

describe("ipam check", () => {
  it("fails with what it found", async () => {
    const { code, stdout, stderr } = await against(fakeView(), "ipam check");
    expect(stdout).toMatch(/^blue +leak +addresses\/blue\/10\.42\.64\.70 .*no$/m);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("got 1 fault") });
  });

  it("is done when all of it was repaired", async () => {
    const view = fakeView();
    const { code, stdout } = await against(view, "ipam check --network blue --repair");
    expect(code).toBe(0);
    expect(stdout).toMatch(/ yes$/m);
    expect(view.asked).toEqual(["check blue true"]);
  });

  it("is done when nothing is amiss", async () => {
    const { code, stdout } = await against(fakeView({ check: async () => [] }), "ipam check");
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("Nothing is amiss") });
  });
});

describe("host remove", () => {
  it("says what went with it", async () => {
    const view = fakeView();
    const { code, stdout } = await against(view, "host remove h2");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "Removed h2: 1 container, 2 addresses, 1 block, 1 membership.\n",
    });
    expect(view.asked).toEqual(["remove h2"]);
  });

  it.each([
    ["h1", "this host itself", "which leaves by skein leave"],
    ["h9", "a host of which nothing is known", "of which there are records, got none"],
  ])("refuses %s, %s", async (host, _, why) => {
    const view = fakeView();
    const { code, stderr } = await against(view, `host remove ${host}`);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(why) });
    expect(view.asked).toEqual([]);
  });

  it("refuses a host whose agent is alive, unless forced", async () => {
    const view = fakeView({ alive: async () => new Set(["h1", "h2"]) });
    expect(await against(view, "host remove h2")).toMatchObject({ code: 1, stderr: expect.stringContaining("alive") });
    expect(view.asked).toEqual([]);
    expect(await skein(["host", "remove", "h2", "--force", "--socket", here.path])).toMatchObject({ code: 0 });
    expect(view.asked).toEqual(["remove h2"]);
  });
});
