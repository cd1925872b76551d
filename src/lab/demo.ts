import { parseArgs } from "node:util";
import { encryption } from "./demo/encryption.ts";
import { demoInMachine } from "./demo/machine.ts";
import { declare, drift, isolation, moving, names, reach, survival } from "./demo/scenes.ts";
import { setStage } from "./demo/stage.ts";
import { createTeller } from "./demo/teller.ts";

/**
 * `npm run demo`: the whole of it, on real parts: etcd, agents, kernel; hosts are namespaces of this machine.
 *
 *     --keep   leave the lab up to explore      --json   the same as data
 *     --vm     in a virtual machine, whose kernel can carry encrypted networks; minutes rather than seconds
 */
const flag = { type: "boolean", default: false } as const;
const { values } = parseArgs({ options: { keep: flag, json: flag, vm: flag } });
if (values.vm) {
  if (values.keep) throw new Error("Cannot keep the lab of a demo with --vm: it ends with its machine");
  process.exit(await demoInMachine(values.json ? ["--json"] : []));
}
const started = performance.now();
const tell = createTeller(values);
const stage = await setStage(3);
let ok = false;
try {
  for (const scene of [declare, reach, names, isolation, encryption, drift, survival, moving]) await scene(stage, tell);
} catch (error) {
  tell.claim("The demo ran to its end", false, error instanceof Error ? error.message : String(error));
  for (const [host, agent] of stage.agents) console.error(`--- log of ${host}\n${(await agent.log()).slice(-3000)}`);
} finally {
  ok = tell.end((performance.now() - started) / 1000);
  if (values.keep) {
    await stage.lab.keep();
    console.error(`\nThe lab is up. Look around, then take it down:
  npx skein lab exec --name ${stage.lab.name} h2 -- ip netns exec mongo ping rocketchat
  npx skein lab down --name ${stage.lab.name}`);
  } else await stage.lab.close();
}
process.exitCode = ok ? 0 : 1;
