import { describe, expect, it } from "vitest";
import type { Self } from "../../src/desired/inputs.ts";
import { describeRow } from "../../src/desired/print.ts";
import { kinds } from "../../src/desired/rows.ts";
import { deriveAll, difference, type Op, type Result, worldOf } from "./fold.ts";
import { put, rocketChat, rocketChatRouted, rocketChatSealed, selfAs } from "./rocket-chat.ts";

/** What a host's kernel must hold, as its operator would read it: unit by unit, in the order it is applied. */
function read(result: Result): string {
  const units = [...result].map(([unit, { rows, skipped }]) => {
    const ordered = [...rows].sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
    return [unit, ...ordered.map(describeRow), ...(skipped ? [`skipped: ${skipped.code}`] : [])].join("\n  ");
  });
  return `${units.join("\n\n")}\n`;
}

function host(self: Self, records: readonly Op[]): string {
  return read(deriveAll({ world: worldOf(records), self }));
}

describe("Rocket.Chat on two hosts", () => {
  it("is this on h1, which runs rocketchat", async () => {
    await expect(host(selfAs("h1"), rocketChat)).toMatchFileSnapshot("golden/h1.txt");
  });

  it("is this on h2, which runs mongo and hubot", async () => {
    await expect(host(selfAs("h2"), rocketChat)).toMatchFileSnapshot("golden/h2.txt");
  });

  it("is this on h1, with plain routes", async () => {
    await expect(host(selfAs("h1"), rocketChatRouted)).toMatchFileSnapshot("golden/h1-routed.txt");
  });

  it("is this on h1, encrypted", async () => {
    await expect(host(selfAs("h1"), rocketChatSealed)).toMatchFileSnapshot("golden/h1-sealed.txt");
  });

  it.each([
    ["mongo-moves-to-h1", rocketChat, "blue", "10.42.1.98"],
    ["mongo-moves-to-h1-routed", rocketChatRouted, "gray", "10.43.1.98"],
    ["mongo-moves-to-h1-sealed", rocketChatSealed, "blue", "10.42.1.98"],
  ] as const)("differs by this when %s, keeping its address", async (name, records, net, ip) => {
    const moved = [
      ...records.filter(({ key }) => key !== `keyspaces/${net}/containers/h2/mongo`),
      ...put(20n, [`keyspaces/${net}/containers/h1/mongo`, { name: "mongo", ip, netns: "/run/netns/mongo" }]),
    ];
    const sides = (["h1", "h2"] as const).map((name) => {
      const change = difference(host(selfAs(name), records), host(selfAs(name), moved));
      return `on ${name}\n${change}\n`;
    });
    await expect(sides.join("\n")).toMatchFileSnapshot(`golden/${name}.txt`);
  });
});
