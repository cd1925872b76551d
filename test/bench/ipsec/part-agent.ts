import { createDeclared } from "../../../src/desired/declared.ts";
import type { Self } from "../../../src/desired/inputs.ts";
import { createFlow } from "../../../src/flow.ts";
import { fakeKernel } from "../../../src/kernel/fake.ts";
import { openKernel } from "../../../src/kernel/open.ts";
import { policyDriver } from "../../../src/kernel/policies.ts";
import type { Cidr, Ip } from "../../../src/model/address.ts";
import { createEngine } from "../../../src/reconcile/start.ts";
import { connect } from "../../../src/store/client.ts";
import { watchWorld } from "../../../src/store/world-watch.ts";
import { someKey } from "../world.ts";

/**
 * What of an agent leads from etcd to XFRM policies, all of it as it is: watches, world, derivation, engine, driver, the
 * kernel's Worker. A kernel without ESP has policies, but an agent refuses it encrypted networks; this one believes that
 * nothing is missing, and keeps all other kinds of rows in memory. Arguments: ENDPOINT PREFIX UNDERLAY HOST.
 */
const [endpoint, prefix, underlay, host] = process.argv.slice(2) as [string, string, Ip, string];
const self: Self = {
  host,
  underlay: { dev: "eth0", address: underlay, prefix: `${underlay}/24` as Cidr, mtu: 1500 },
  uplinks: "169.254.64.0/18" as Cidr,
  ipsec: { missing: [], ciphers: ["aes128gcm16"], encap: true, auth: { type: "pubkey", own: someKey } },
  protected: [],
};

const kernel = await openKernel();
const declared = createDeclared(self);
const engine = createEngine({
  drivers: { ...fakeKernel().drivers, policy: policyDriver(kernel) },
  tell(event) {
    if (event.type === "failed") console.error(event.failure.message);
  },
});
const watch = watchWorld(connect({ endpoints: [endpoint], prefix }));
const flow = createFlow({
  declared,
  engine,
  watch,
  tell() {},
  folded() {},
  changed() {},
  async complete() {
    await engine.start(["host"]);
    process.stdout.write("ready\n");
  },
});
watch.batches$.subscribe((batch) => flow.take(batch));
