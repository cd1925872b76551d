import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromNumber } from "../../src/model/address.ts";
import { type Client, connect } from "../../src/store/client.ts";
import type { Write } from "../../src/store/transaction.ts";
import { endWithTest, openScene, prefix, type Scene, vxlan } from "../e2e/scene.ts";

/** Containers that come and go; a hundred in a transaction, half of them there at any time. */
const count = 1000;
const batch = 100;
const rounds = 40;
/** Each container stays, or stays away, for ten of these: longer than an answer may be behind, or nothing could be found. */
const paceMs = 200;
/** Milliseconds that an answer may be behind: what its TTL allows to any client. */
const staleMs = 1000;

/** When a container with one address was there, at the widest: from its put's sending to its deletion's confirmation. */
interface Life {
  address: string;
  from: number;
  /** When the put was confirmed: since then at the latest. */
  surely: number;
  /** When the deletion was sent; until then at least. */
  ending: number;
  until: number;
}

let scene: Scene;
let client: Client;
beforeAll(async () => {
  scene = await openScene({ hosts: 1 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  await scene.enter({ net: "blue", host: "h1", name: "asker", ip: "10.42.255.9" });
  await scene.converged("blue");
  client = connect({
    endpoints: [scene.lab.etcd.socket],
    prefix: `${prefix}/`,
  });
});
afterAll(async () => {
  client?.close();
  await scene?.lab.close();
});

const now = () => Number(process.hrtime.bigint()) / 1e6;

test("while 1,000 containers come and go, every answer was true within the last second", async () => {
  const place = scene.lab.host("h1").in("blue-asker");
  const child = place.spawn(process.execPath, [
    join(import.meta.dirname, "asker.ts"),
    "blue.skein.internal",
    String(count),
  ]);
  endWithTest(child);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  await once(reader, "line");

  const lives: Life[][] = Array.from({ length: count }, () => []);
  const isThere = (n: number) => lives[n]?.at(-1)?.until === Number.POSITIVE_INFINITY;
  let next = 0x0a2a0100;
  for (let round = 0; round < rounds; round++) {
    const first = (round * batch) % count;
    const chosen = Array.from({ length: batch }, (_, n) => first + n);
    const addresses = chosen.map(() => fromNumber(next++));
    const writes = chosen.map((n, at): Write => {
      const key = `keyspaces/blue/containers/h9/c${n}`;
      if (isThere(n)) return { type: "remove", key };
      return { type: "put", key, value: JSON.stringify({ name: `c${n}`, ip: addresses[at] }) };
    });
    const sent = now();
    await client.commit([], writes);
    const confirmed = now();
    await pause(paceMs);
    for (const [at, n] of chosen.entries()) {
      const last = lives[n]?.at(-1);
      if (last && isThere(n)) Object.assign(last, { ending: sent, until: confirmed });
      else {
        const never = Number.POSITIVE_INFINITY;
        lives[n]?.push({
          address: addresses[at] as string,
          from: sent,
          surely: confirmed,
          ending: never,
          until: never,
        });
      }
    }
  }
  const ended = once(reader, "close");
  child.kill("SIGKILL");
  await ended;

  const answers = lines.filter((line) => line.split(" ").length > 3).map((line) => line.split(" "));
  expect(lines.filter((line) => line === "lost")).toEqual([]);
  expect(answers.length).toBeGreaterThan(1000);
  const wrong = answers.filter(([name = "", asked, answered, code, ...addresses]) => {
    const history = lives[Number(name.slice(1))] as Life[];
    const [begin, end] = [Number(asked) - staleMs, Number(answered)];
    if (code === "NOERROR")
      return !history.some(
        ({ address, from, until }) => address === addresses.join(" ") && from <= end && until >= begin,
      );
    // Nothing was there at some moment, unless one life surely spanned the whole time.
    return code !== "NXDOMAIN" || history.some(({ surely, ending }) => surely <= begin && ending >= end);
  });
  expect(wrong).toEqual([]);
  for (const code of ["NOERROR", "NXDOMAIN"])
    expect(answers.filter((answer) => answer[3] === code).length).toBeGreaterThan(100);
});
