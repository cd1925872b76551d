import { setTimeout as pause } from "node:timers/promises";
import { startCapture } from "../capture.ts";
import { lossOf, ping, pingIntervalMs, startPing, traceroute } from "./ping.ts";
import { repairs } from "./repair.ts";
import type { Actor, Stage } from "./stage.ts";
import { prefix } from "./stage.ts";
import type { Teller } from "./teller.ts";

/** The layout of Rocket.Chat: the application on one host, its database and its bot on another. */
const rocketchat: Actor = { net: "blue", host: "h1", name: "rocketchat", ip: "10.42.64.98", stack: "rocket-chat" };
const mongo: Actor = { net: "blue", host: "h2", name: "mongo", ip: "10.42.118.43", stack: "rocket-chat" };
const hubot: Actor = {
  net: "blue",
  host: "h2",
  name: "hubot",
  ip: "10.42.205.7",
  stack: "rocket-chat",
  service: "bot",
};
/** A second member of hubot's service, without an address of its own choosing. */
const jarvis: Actor = { ...hubot, host: "h1", name: "jarvis", ip: "" };
/** Another network, with the same range and the same addresses. */
const greenApp: Actor = { ...rocketchat, net: "green" };
const greenBot: Actor = { ...mongo, net: "green" };

/** Two hosts, one network, three containers: only etcd keys. */
export async function declare(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("A network and three containers on two hosts, declared with etcdctl");
  await Promise.all([stage.startAgent("h1"), stage.startAgent("h2")]);
  const network = {
    cidr: "10.42.0.0/16",
    backend: { type: "vxlan", vni: 1042 },
    dns: { domain: "rancher.internal" },
  };
  await stage.declare("networks/blue", network);
  tell.show(`etcdctl put ${prefix}/networks/blue '${JSON.stringify(network)}'`);
  for (const actor of [rocketchat, mongo, hubot]) {
    await stage.enter(actor);
    tell.show(`etcdctl put ${stage.keyOf(actor)} '${stage.recordOf(actor)}'`);
  }
  await stage.converged("blue");
  const rows = await Promise.all(
    [rocketchat, mongo, hubot].map(async (actor) => {
      const [link] = JSON.parse(await stage.placeOf(actor).output("ip", ["-json", "address", "show", "dev", "eth0"]));
      const address = link.addr_info.find((info: { family: string }) => info.family === "inet");
      return [actor.host, actor.name, link.address, `${address.local}/${address.prefixlen}`, `${link.mtu}`];
    }),
  );
  tell.table(["host", "container", "MAC", "address", "MTU"], rows);
  const all = rows.every((row, i) => row[3] === `${[rocketchat, mongo, hubot][i]?.ip}/16`);
  tell.claim("Every container has the address it was declared with", all, `${rows.length} of ${rows.length}`);
}

/** Where packets go, and what a container believes about its neighbours. */
export async function reach(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("mongo reaches hubot on its own host, and rocketchat on the other");
  const from = stage.placeOf(mongo);
  for (const [to, hops, ttl] of [
    [hubot, 1, 64],
    [rocketchat, 3, 62],
  ] as const) {
    const answer = await ping(from, to.ip);
    tell.claim(
      `ping ${to.name}`,
      answer.received === answer.sent && answer.ttl === ttl,
      `${lossOf(answer)}, ttl ${answer.ttl}`,
    );
    const route = await traceroute(from, to.ip);
    const path = hops === 1 ? "straight" : "by way of both agents";
    tell.claim(
      `traceroute ${to.name}: ${hops} ${hops === 1 ? "hop" : "hops"}, ${path}`,
      route.length === hops && route.at(-1) === to.ip,
      route.join(" → "),
    );
  }
  const text = await from.output("ip", ["neigh", "show", "dev", "eth0"]);
  tell.show(`ip neigh show dev eth0, in mongo:\n${text.trim()}`);
  const macOf = (ip: string) => new RegExp(`^${ip.replaceAll(".", "\\.")} .*lladdr (\\S+)`, "m").exec(text)?.[1];
  const gateway = "02:53:0a:2a:00:01";
  tell.claim(
    "ARP: the remote address has the gateway's MAC, which never changes",
    macOf(rocketchat.ip) === gateway,
    `${macOf(rocketchat.ip)}`,
  );
  const own = macOf(hubot.ip);
  tell.claim("ARP: the sibling has its own MAC", own !== undefined && own !== gateway, `${own}`);
  const url = await stage.lab.outside.serve();
  const seen = await from.output("curl", ["-s", "-m", "3", url]);
  const host = stage.lab.host("h2").underlay.address();
  tell.claim("The way out: a server outside sees the host's address", seen.trim() === host, seen.trim());
}

/** Containers find each other by name, in their own network only. */
export async function names(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("Names: mongo asks for hubot, and for a service with a member on each host");
  await stage.enter(jarvis);
  tell.show(`etcdctl put ${stage.keyOf(jarvis)} '${stage.recordOf(jarvis)}'`);
  await stage.converged("blue");
  const { stdout: given } = await stage.placeOf(jarvis).exec("ip", ["-br", "-4", "address", "show", "dev", "eth0"]);
  const address = /([0-9.]+)\/16/.exec(given)?.[1] ?? "none";
  tell.claim("jarvis, declared without an address, was given one", address !== "none", address);
  const inMongo = (...command: string[]) => stage.lab.host("h2").exec("ip", ["netns", "exec", "mongo", ...command]);
  const { stdout: resolver } = await inMongo("cat", "/etc/resolv.conf");
  tell.show(`/etc/resolv.conf, in mongo:\n${resolver.trim()}`);
  const answer = await inMongo("ping", "-c", "1", "-W", "2", "hubot");
  tell.claim("ping hubot", answer.code === 0, answer.stdout.split("\n")[0] ?? answer.stderr.trim());
  const { stdout } = await inMongo("getent", "ahostsv4", "bot");
  const found = new Set(stdout.split("\n").flatMap((line) => line.split(/\s+/)[0] || []));
  const members = [hubot.ip, address];
  tell.claim(
    "The service bot has both",
    members.every((ip) => found.has(ip)) && found.size === 2,
    [...found].join(", "),
  );
  const unknown = await inMongo("getent", "ahostsv4", "nobody");
  tell.claim("Nobody is found under nobody's name", unknown.code === 2, unknown.stdout.trim() || "no answer");
}

/** Two networks with one range, which never meet. */
export async function isolation(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("A second network, green, with the same range and the same addresses");
  await stage.declare("networks/green", { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1043 } });
  for (const actor of [greenApp, greenBot]) await stage.enter(actor);
  await stage.converged("green");
  const capture = await startCapture(stage.placeOf(greenApp), "eth0", "icmp");
  const blue = await ping(stage.placeOf(mongo), rocketchat.ip, 5);
  const strays = capture.lines.length;
  tell.claim(`blue's mongo pings ${rocketchat.ip}`, blue.received === 5, lossOf(blue));
  tell.claim("green's namesake at that address saw nothing of it", strays === 0, `${strays} packets`);
  const green = await ping(stage.placeOf(greenBot), greenApp.ip, 5);
  tell.claim(`green's mongo pings ${greenApp.ip}`, green.received === 5, lossOf(green));
  await Promise.race([capture.until(/echo reply, id \d+, seq 5,/), pause(1_000)]);
  const packets = (await capture.stop()).length;
  tell.claim("and there green's own namesake answers", packets === 10, `${packets} packets: 5 requests, 5 replies`);
}

/** What somebody breaks comes back. */
export async function drift(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("Drift: somebody deletes rows of the kernel by hand");
  for (const { what, command, back } of await repairs(stage, "h2", "blue")) {
    tell.show(command);
    tell.claim(
      `${what} is back`,
      back !== undefined,
      back === undefined ? "not within 5 s" : `${back.toFixed(1)} ms after the command began`,
    );
  }
  await showRepairs(stage, tell);
}

/** What the agent says of it: drift and repair are events, with their time. */
async function showRepairs(stage: Stage, tell: Teller): Promise<void> {
  const lines = (await stage.skein("h2", "events", "--recent", "100", "--no-follow")).trim().split("\n");
  const said = lines.filter((line) => /: (gone|repaired in .*)$/.test(line));
  tell.show(`skein events, on h2:\n${said.join("\n")}`);
  const repaired = said.filter((line) => line.includes(": repaired in ")).length;
  tell.claim("The agent told of each", repaired >= 3, `${repaired} repairs`);
}

/** The data plane does not need the agent, nor etcd. */
export async function survival(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("An agent killed with -9 under a running ping, and started again");
  const agent = stage.agents.get("h2");
  const pinging = await startPing(stage.placeOf(mongo), rocketchat.ip);
  await agent?.kill("SIGKILL");
  await stage.startAgent("h2");
  const writes = await writesSinceStart(stage, "h2");
  const answer = await pinging.stop();
  tell.claim("Rows written by the new agent", writes === 0, `${writes}`);
  tell.claim("Packets lost", answer.sent > 0 && answer.received === answer.sent, lossOf(answer));

  tell.scene("etcd stopped and started under a running ping");
  const second = await startPing(stage.placeOf(mongo), rocketchat.ip);
  await stage.lab.etcd.stop();
  const stale = await stage.skein("h2", "status");
  tell.show(
    stale
      .split("\n")
      .filter((line) => /etcd/i.test(line))
      .join("\n"),
  );
  await stage.lab.etcd.start();
  await stage.converged("blue");
  const through = await second.stop();
  tell.claim("Packets lost", through.sent > 0 && through.received === through.sent, lossOf(through));
}

/** A host joins, and a container moves to it without changing its address. */
export async function moving(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("h3 joins, and hubot moves there, keeping its address");
  await stage.startAgent("h3");
  const moved: Actor = { ...hubot, host: "h3" };
  await stage.lab.host("h3").container("hubot");
  const pinging = await startPing(stage.placeOf(mongo), hubot.ip);
  const txn = `\nput ${stage.keyOf(moved)} ${JSON.stringify(stage.recordOf(moved))}\ndel ${stage.keyOf(hubot)}\n\n\n`;
  await stage.lab.etcd.ctl(["txn"], txn);
  await stage.converged("blue");
  const during = await pinging.stop();
  const answer = await ping(stage.placeOf(mongo), hubot.ip, 5);
  tell.claim(
    "mongo reaches hubot on h3",
    answer.received === 5 && answer.ttl === 62,
    `${lossOf(answer)}, ttl ${answer.ttl}`,
  );
  const gap = (during.sent - during.received) * pingIntervalMs;
  tell.claim("It was away for less than a second", during.received > 0 && gap < 1000, `${gap} ms: ${lossOf(during)}`);
  tell.show((await stage.skein("h1", "hosts")).trimEnd());
  tell.show((await stage.skein("h1", "containers", "--network", "blue")).trimEnd());
  const plan = await stage.skein("h1", "plan", "--json");
  const left = JSON.parse(plan).operations?.length;
  tell.claim("skein plan has nothing left to do", left === 0, `${left} operations`);
}

/** Of the agent's own count: the writes of all rounds since it started. */
async function writesSinceStart(stage: Stage, host: string): Promise<number> {
  const lines = (await stage.skein(host, "events", "--json", "--recent", "1000", "--no-follow")).trim().split("\n");
  const written = new Set(["added", "replaced", "removed", "repaired"]);
  return lines.filter((line) => line !== "" && written.has(JSON.parse(line).type)).length;
}
