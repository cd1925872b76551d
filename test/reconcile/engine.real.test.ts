import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { harms, type Outcome } from "./host.ts";

/** The engine with the real drivers, in network and mount namespaces that end with the process. */
describe("on a host of its own", () => {
  const outcomes = new Map<string, Outcome>();

  beforeAll(() => {
    const script = `mount -t tmpfs none /run && mkdir /run/netns && exec "$0" "$1"`;
    const args = ["--net", "--mount", "--propagation", "private", "sh", "-c", script];
    const file = join(import.meta.dirname, "host.ts");
    const output = execFileSync("unshare", [...args, process.execPath, file], { encoding: "utf8", timeout: 50_000 });
    for (const line of output.trim().split("\n")) {
      const outcome = JSON.parse(line) as Outcome;
      outcomes.set(outcome.deed, outcome);
    }
  });

  test("all rows go in, none fails, none is taken for drift", () => {
    expect(outcomes.get("start")).toMatchObject({ drifted: 0, failing: 0, planned: 0, written: 29 });
  });

  test("a restart writes nothing", () => {
    const all = { deed: "restart", restored: true, drifted: 0, written: 0, failing: 0, planned: 0 };
    expect(outcomes.get("restart")).toEqual(all);
  });

  test.each(harms)("%s: mended", (harm) => {
    expect(outcomes.get(harm)).toMatchObject({ restored: true, failing: 0, planned: 0 });
    expect(outcomes.get(harm)?.drifted).toBeGreaterThan(0);
  });

  test("leaving leaves nothing", () => {
    expect(outcomes.get("leave")).toMatchObject({ restored: true, failing: 0, planned: 0 });
  });
});
