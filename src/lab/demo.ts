import { parseArgs } from "node:util";
import { declare, drift, isolation, moving, names, reach, survival } from "./demo/scenes.ts";
import { setStage } from "./demo/stage.ts";
import { createTeller } from "./demo/teller.ts";

/**
 * `npm run demo`: the whole of it, on real parts: etcd, agents, kernel; hosts are namespaces of this machine.
 *
 *     --keep   leave the lab up to explore      --json   the same as data
 */
const { values } = parseArgs({
  options: { keep: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
const started = performance.now();
const tell = createTeller(values);
const stage = await setStage(3);
let ok = false;
try {
  for (const scene of [declare, reach, names, isolation, drift, survival, moving]) await scene(stage, tell);
} catch (error) {
  tell.claim("The demo ran to its end", false, error instanceof Error ? error.message : String(error));
  for (const [host, agent] of stage.agents) console.error(`--- log of ${host}\n${(await agent.log()).slice(-3000)}`);
} finally {
  ok = tell.end((performance.now() - started) / 1000);
  if (values.keep) {
    await stage.lab.keep();
    console.error(`\nThe lab is up. Look around, then take it down:
  npx skein lab exec --name ${stage.lab.name} h2 -- ip netns exec mongo ping 10.42.64.98
  npx skein lab down --name ${stage.lab.name}`);
  } else await stage.lab.close();
}
process.exitCode = ok ? 0 : 1;
