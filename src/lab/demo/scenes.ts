import { setTimeout as pause } from "node:timers/promises";
import { startCapture } from "../capture.ts";
import { lossOf, ping, pingIntervalMs, startPing, traceroute } from "./ping.ts";
import { repairs } from "./repair.ts";
import type { Actor, Stage } from "./stage.ts";
import { prefix } from "./stage.ts";
import type { Teller } from "./teller.ts";

/** The layout of Rocket.Chat: the application on one host, its database and its bot on another. None names an address. */
const rocketchat: Actor = { net: "blue", host: "h1", name: "rocketchat", stack: "rocket-chat" };
const mongo: Actor = { net: "blue", host: "h2", name: "mongo", stack: "rocket-chat" };
const hubot: Actor = { net: "blue", host: "h2", name: "hubot", stack: "rocket-chat", service: "bot" };
/** A second member of hubot's service, on the other host. */
const jarvis: Actor = { ...hubot, host: "h1", name: "jarvis" };

/** Two hosts, one network, three containers: only etcd keys. */
export async function declare(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("A network and three containers on two hosts, declared with etcdctl and without addresses");
  await Promise.all([stage.startAgent("h1"), stage.startAgent("h2")]);
  const network = {
    cidr: "10.42.0.0/16",
    backend: { type: "vxlan", vni: 1042 },
    dns: { domain: "rancher.internal" },
  };
  await stage.declare("networks/blue", network);
  tell.show(`etcdctl put ${prefix}/networks/blue '${JSON.stringify(network)}'`);
  const actors = [rocketchat, mongo, hubot];
  for (const actor of actors) {
    await stage.enter(actor);
    tell.show(`etcdctl put ${stage.keyOf(actor)} '${stage.recordOf(actor)}'`);
  }
  await stage.converged("blue");
  const rows = await Promise.all(
    actors.map(async (actor) => {
      const [link] = JSON.parse(await stage.placeOf(actor).output("ip", ["-json", "address", "show", "dev", "eth0"]));
      const address = link.addr_info.find((info: { family: string }) => info.family === "inet");
      return [actor.host, actor.name, link.address, `${address.local}/${address.prefixlen}`, `${link.mtu}`];
    }),
  );
  tell.table(["host", "container", "MAC", "address", "MTU"], rows);
  const given = await Promise.all(actors.map(stage.addressOf));
  tell.claim(
    "Every container was given an address of its own, which its record names from then on",
    new Set(given).size === actors.length && rows.every((row, i) => row[3] === `${given[i]}/16`),
    given.join(", "),
  );
  tell.show(await stage.shown("h1", "ipam", "show", "--network", "blue"));
}

/** Where packets go, and what a container believes about its neighbours. */
export async function reach(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("mongo reaches hubot on its own host, and rocketchat on the other");
  const from = stage.placeOf(mongo);
  for (const [to, hops, ttl] of [
    [hubot, 1, 64],
    [rocketchat, 3, 62],
  ] as const) {
    const address = await stage.addressOf(to);
    const answer = await ping(from, address);
    tell.claim(
      `ping ${to.name}`,
      answer.received === answer.sent && answer.ttl === ttl,
      `${lossOf(answer)}, ttl ${answer.ttl}`,
    );
    const route = await traceroute(from, address);
    const path = hops === 1 ? "straight" : "by way of both agents";
    tell.claim(
      `traceroute ${to.name}: ${hops} ${hops === 1 ? "hop" : "hops"}, ${path}`,
      route.length === hops && route.at(-1) === address,
      route.join(" → "),
    );
  }
  const text = await from.output("ip", ["neigh", "show", "dev", "eth0"]);
  tell.show(`ip neigh show dev eth0, in mongo:\n${text.trim()}`);
  const macOf = (ip: string) => new RegExp(`^${ip.replaceAll(".", "\\.")} .*lladdr (\\S+)`, "m").exec(text)?.[1];
  const gateway = "02:53:0a:2a:00:01";
  const [remote, own] = [macOf(await stage.addressOf(rocketchat)), macOf(await stage.addressOf(hubot))];
  tell.claim("ARP: the remote address has the gateway's MAC, which never changes", remote === gateway, `${remote}`);
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
  const inMongo = within(stage, "mongo");
  tell.show(`ip netns exec mongo cat /etc/resolv.conf\n${(await inMongo("cat", "/etc/resolv.conf")).stdout.trim()}`);
  const answer = await inMongo("ping", "-c", "1", "-W", "2", "hubot");
  tell.show(`ip netns exec mongo ping hubot\n${answer.stdout.split("\n").slice(0, 2).join("\n")}`);
  const expected = await stage.addressOf(hubot);
  tell.claim("ping hubot", answer.code === 0 && answer.stdout.includes(`(${expected})`), `${expected} answers`);
  tell.show("ip netns exec mongo getent ahostsv4 bot");
  const found = addressesIn((await inMongo("getent", "ahostsv4", "bot")).stdout);
  const members = await Promise.all([hubot, jarvis].map(stage.addressOf));
  tell.claim(
    "The service bot is answered with all its members",
    members.every((ip) => found.has(ip)) && found.size === members.length,
    [...found].join(", "),
  );
  const unknown = await inMongo("getent", "ahostsv4", "nobody");
  tell.claim("Nobody is found under nobody's name", unknown.code === 2, unknown.stdout.trim() || "no answer");
}

/** Runs a command as `ip netns exec` does on h2: with the container's own resolv.conf. */
function within(stage: Stage, namespace: string) {
  return (...command: string[]) => stage.lab.host("h2").exec("ip", ["netns", "exec", namespace, ...command]);
}

/** Of what getent prints: an address a line, once for each type of socket. */
function addressesIn(text: string): Set<string> {
  return new Set(text.split("\n").flatMap((line) => line.split(/\s+/)[0] || []));
}

/** Two networks with one range, which never meet. */
export async function isolation(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("A second network, green, with the same range and the same addresses");
  const address = await stage.addressOf(rocketchat);
  // These name their addresses: those that blue's were given.
  const app: Actor = { ...rocketchat, net: "green", ip: address };
  const client: Actor = { ...mongo, net: "green", ip: await stage.addressOf(mongo) };
  const network = { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 1043 } };
  await stage.declare("networks/green", network);
  tell.show(`etcdctl put ${prefix}/networks/green '${JSON.stringify(network)}'`);
  for (const actor of [app, client]) {
    await stage.enter(actor);
    tell.show(`etcdctl put ${stage.keyOf(actor)} '${stage.recordOf(actor)}'`);
  }
  await stage.converged("green");
  const capture = await startCapture(stage.placeOf(app), "eth0", "icmp");
  const blue = await ping(stage.placeOf(mongo), address, 5);
  const strays = capture.lines.length;
  tell.claim(`blue's mongo pings ${address}`, blue.received === 5, lossOf(blue));
  tell.claim("green's namesake at that address saw nothing of it", strays === 0, `${strays} packets`);
  const green = await ping(stage.placeOf(client), address, 5);
  tell.claim(`green's mongo pings ${address}`, green.received === 5, lossOf(green));
  await Promise.race([capture.until(/echo reply, id \d+, seq 5,/), pause(1_000)]);
  const packets = (await capture.stop()).length;
  tell.claim("and there green's own namesake answers", packets === 10, `${packets} packets: 5 requests, 5 replies`);
  const inGreen = within(stage, "green-mongo");
  const own = addressesIn((await inGreen("getent", "ahostsv4", "rocketchat")).stdout);
  tell.claim("green's mongo finds rocketchat by name, too", own.has(address), [...own].join(", "));
  const foreign = await inGreen("getent", "ahostsv4", "hubot");
  tell.claim("and not hubot, who is in blue only", foreign.code === 2, foreign.stdout.trim() || "no answer");
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
  const address = await stage.addressOf(rocketchat);
  const pinging = await startPing(stage.placeOf(mongo), address);
  await agent?.kill("SIGKILL");
  await stage.startAgent("h2");
  const writes = await writesSinceStart(stage, "h2");
  const answer = await pinging.stop();
  tell.claim("Rows written by the new agent", writes === 0, `${writes}`);
  tell.claim("Packets lost", answer.sent > 0 && answer.received === answer.sent, lossOf(answer));

  tell.scene("etcd stopped and started under a running ping");
  const second = await startPing(stage.placeOf(mongo), address);
  await stage.lab.etcd.stop();
  const stale = (await stage.skein("h2", "status")).split("\n").filter((line) => /etcd/i.test(line));
  tell.show(`skein status, on h2, of etcd:\n${stale.join("\n")}`);
  await stage.lab.etcd.start();
  await stage.converged("blue");
  const through = await second.stop();
  tell.claim("Packets lost", through.sent > 0 && through.received === through.sent, lossOf(through));
}

/** A host joins, and a container moves to it without changing its address. */
export async function moving(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("h3 joins, and hubot moves there, keeping its address");
  await stage.startAgent("h3");
  const address = await stage.addressOf(hubot);
  const moved: Actor = { ...hubot, host: "h3", ip: address };
  await stage.lab.host("h3").container("hubot");
  const pinging = await startPing(stage.placeOf(mongo), address);
  const txn = `\nput ${stage.keyOf(moved)} ${JSON.stringify(stage.recordOf(moved))}\ndel ${stage.keyOf(hubot)}\n\n\n`;
  await stage.lab.etcd.ctl(["txn"], txn);
  tell.show(`etcdctl txn:\n  put ${stage.keyOf(moved)} '${stage.recordOf(moved)}'\n  del ${stage.keyOf(hubot)}`);
  await stage.converged("blue");
  const during = await pinging.stop();
  const answer = await ping(stage.placeOf(mongo), address, 5);
  tell.claim(
    "mongo reaches hubot on h3",
    answer.received === 5 && answer.ttl === 62,
    `${lossOf(answer)}, ttl ${answer.ttl}`,
  );
  const gap = (during.sent - during.received) * pingIntervalMs;
  // Of the virtual machine's processor, which QEMU plays, no speed is claimed.
  const most = process.env.VMRUN === undefined ? { words: "a second", ms: 1_000 } : { words: "a minute", ms: 60_000 };
  tell.claim(
    `It was away for less than ${most.words}`,
    during.received > 0 && gap < most.ms,
    `${gap} ms: ${lossOf(during)}`,
  );
  tell.show(await stage.shown("h1", "hosts"));
  tell.show(await stage.shown("h1", "containers", "--network", "blue"));
  const plan = await stage.skein("h1", "plan", "--json");
  const left = JSON.parse(plan).operations?.length;
  tell.claim("skein plan has nothing left to do", left === 0, `${left} operations`);
  const { findings } = JSON.parse(await stage.skein("h1", "ipam", "check", "--json"));
  tell.claim("skein ipam check finds nothing amiss", findings.length === 0, `${findings.length} findings`);
}

/** Of the agent's own count: the writes of all rounds since it started. */
async function writesSinceStart(stage: Stage, host: string): Promise<number> {
  const lines = (await stage.skein(host, "events", "--json", "--recent", "1000", "--no-follow")).trim().split("\n");
  const written = new Set(["added", "replaced", "removed", "repaired"]);
  return lines.filter((line) => line !== "" && written.has(JSON.parse(line).type)).length;
}
