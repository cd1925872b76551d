import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/store/client.ts";
import { type Etcd, leaderOf, startCluster } from "./etcd.ts";
import { mirror, truth } from "./mirror.ts";

const soon = { quietMs: 300, answerMs: 300 };

describe("three members", () => {
  let members: Etcd[];
  let client: Client;
  beforeEach(async () => {
    members = await startCluster(3);
    client = (members[0] as Etcd).client({ endpoints: members.map(({ endpoint }) => endpoint) });
  });
  afterEach(() => Promise.all(members.map((member) => member.end())));

  /** Writes until it succeeds, as a caller with a back-off does. */
  async function write(key: string): Promise<void> {
    for (;;) {
      try {
        await client.put(key, "1");
        return;
      } catch {
        // No leader yet; each try takes as long as its deadline or an election.
      }
    }
  }

  for (const [fault, end, mend] of [
    ["killed", (leader: Etcd) => leader.kill(), (leader: Etcd) => leader.start()],
    ["hung", async (leader: Etcd) => leader.pause(), async (leader: Etcd) => leader.resume()],
  ] as const) {
    it(`lose nothing and go on when their leader is ${fault}`, async () => {
      // One watch a member, so that one of them hangs on the leader.
      const mirrors = members.map(({ endpoint }) =>
        mirror((members[0] as Etcd).client({ prefix: client.prefix, endpoints: [endpoint] }), "a/", soon),
      );
      const follower = mirror(client, "a/", soon);
      await Promise.all([...mirrors, follower].map((seen) => seen.next("fresh")));
      const leader = await leaderOf(members);
      for (let i = 0; i < 20; i++) await write(`a/before${i}`);
      await end(leader);
      for (let i = 0; i < 20; i++) await write(`a/after${i}`);
      await follower.until(() => follower.keys.has("a/after19"));
      expect(follower.keys).toEqual(await truth(client, "a/"));
      const led = mirrors[members.indexOf(leader)];
      await led?.next("stale");
      await mend(leader);
      for (const seen of mirrors) await seen.until(() => seen.keys.has("a/after19"));
      for (const seen of mirrors) expect(seen.keys).toEqual(await truth(client, "a/"));
      expect(mirrors.flatMap((seen) => seen.log.filter(({ type }) => type === "doubt"))).toEqual([]);
    });
  }

  it("end the watch of a member that lost the others", async () => {
    const alone = members[0] as Etcd;
    const seen = mirror(alone.client({ prefix: client.prefix, endpoints: [alone.endpoint] }), "a/", soon);
    await seen.next("fresh");
    await Promise.all(members.slice(1).map((member) => member.kill()));
    expect((await seen.next("stale")).code).toBe("unavailable");
    await Promise.all(members.slice(1).map((member) => member.start()));
    await write("a/back");
    await seen.until(() => seen.keys.has("a/back"));
  });
});
