import { setTimeout as pause } from "node:timers/promises";
import type { LabCharon } from "../charon.ts";
import { lossOf, ping } from "./ping.ts";
import { type Actor, prefix, type Stage } from "./stage.ts";
import type { Teller } from "./teller.ts";

/** Namesakes of blue's, at the same addresses, in a network that trusts no wire. */
const app: Actor = { net: "gold", host: "h1", name: "rocketchat", stack: "rocket-chat" };
const base: Actor = { net: "gold", host: "h2", name: "mongo", stack: "rocket-chat" };

/** How long a tunnel may take; charon's first SA asks the kernel for a dozen modules. */
const patienceMs = 60_000;

/** A network whose packets are ESP between hosts, or are not. */
export async function encryption(stage: Stage, tell: Teller): Promise<void> {
  tell.scene("An encrypted network, gold: no backend named, so ESP tunnels by strongSwan");
  await stage.declare("networks/gold", { cidr: "10.42.0.0/16" });
  tell.show(`etcdctl put ${prefix}/networks/gold '{"cidr":"10.42.0.0/16"}'`);
  const why = await refusal(stage);
  if (why !== undefined) {
    tell.show(`Refused here: ${why}. npm run demo -- --vm shows it at work, in a small virtual machine.`);
    return;
  }
  const charons = await startCharons(stage);
  const address = await enterBoth(stage);
  const capture = await stage.lab.capture("h1", "udp port 4500 or net 10.42.0.0/16");
  const first = await firstAnswer(stage, address);
  tell.claim("gold's mongo reaches rocketchat", first, first ? `${address} answers` : `no answer in ${patienceMs} ms`);
  const answer = await ping(stage.placeOf(base), address, 5);
  tell.claim(
    "ping, through both hosts",
    answer.received === 5 && answer.ttl === 62,
    `${lossOf(answer)}, ttl ${answer.ttl}`,
  );
  await Promise.race([capture.until(/UDP-encap: ESP/), pause(5_000)]);
  const wire = await capture.stop();
  const sealed = wire.filter((line) => line.includes("UDP-encap: ESP"));
  tell.show(`tcpdump on the wire:\n${sealed.slice(-4).map(withoutFrame).join("\n")}`);
  const clear = wire.filter((line) => /(10\.42\.\d+\.\d+)/.test(line)).length;
  tell.claim(
    "On the wire there is ESP, and no packet in clear",
    sealed.length >= 10 && clear === 0,
    `${sealed.length} of ESP, ${clear} in clear`,
  );
  tell.show(await stage.shown("h2", "tunnels"));
  await withoutCharon(stage, tell, charons, address);
}

/** charon is stopped: nothing passes, neither as ESP nor in clear. */
async function withoutCharon(
  stage: Stage,
  tell: Teller,
  charons: Map<string, LabCharon>,
  address: string,
): Promise<void> {
  tell.scene("charon of h1 is stopped: its SAs are gone, and so is the way");
  await charons.get("h1")?.stop();
  // What charon itself says to its peer is not the network's.
  const capture = await stage.lab.capture("h1", "net 10.42.0.0/16 or (udp port 4500 and udp[8:4] != 0)");
  const silent = await ping(stage.placeOf(base), address, 5);
  const seen = (await capture.stop()).length;
  tell.claim("No packet gets through", silent.received === 0, lossOf(silent));
  tell.claim("and on the wire there is neither ESP nor a packet in clear", seen === 0, `${seen} packets`);
  await charons.get("h1")?.start();
  const back = await firstAnswer(stage, address);
  tell.claim(
    "charon is started again, and the tunnel is back by itself",
    back,
    back ? `${address} answers` : "no answer",
  );
}

async function startCharons({ lab }: Stage): Promise<Map<string, LabCharon>> {
  const charons = new Map<string, LabCharon>();
  for (const host of lab.hosts) {
    const charon = await host.charon();
    await charon.start();
    charons.set(host.name, charon);
  }
  return charons;
}

/** Answers the address of the one that is pinged. */
async function enterBoth(stage: Stage): Promise<string> {
  for (const actor of [app, base]) await stage.enter(actor);
  await stage.converged("gold");
  return stage.addressOf(app);
}

/** Why h1 carries no encrypted network; undefined where it does. */
async function refusal(stage: Stage): Promise<string | undefined> {
  const { networks } = JSON.parse(await stage.skein("h1", "networks", "--json"));
  return networks.find((each: { network: string }) => each.network === "gold")?.refused;
}

async function firstAnswer(stage: Stage, address: string): Promise<boolean> {
  const end = performance.now() + patienceMs;
  while (performance.now() < end) if ((await ping(stage.placeOf(base), address, 1)).received === 1) return true;
  return false;
}

/** Of a line of `tcpdump -e`: from the addresses on. */
function withoutFrame(line: string): string {
  return line.replace(/^.*?: (?=10\.)/, "");
}
