import "./vitest.ts";
import { createLab } from "../../src/lab/lab.ts";

/**
 * Does once what tests do, for Node to keep what it compiled of the bundle: an agent's start and end, and a command. Both
 * machines take the same code, since Node is the same.
 */
const lab = await createLab({ hosts: 1 });
try {
  const host = lab.host("h1");
  const agent = await host.agent();
  await agent.start();
  await agent.ready();
  await lab.etcd.ctl(["put", "/skein/v1/networks/warm", '{"cidr":"10.42.0.0/16","backend":{"type":"vxlan","vni":1}}']);
  const record = '{"name":"web","ip":"10.42.64.98","netns":"/run/netns/web"}';
  await host.container("web");
  await lab.etcd.ctl(["put", "/skein/v1/keyspaces/warm/containers/h1/web", record]);
  await host.output("skein", ["wait", "--network", "warm", "--revision", "now", "--timeout", "20s"]);
  await agent.stop(); // not killed: Node keeps what it compiled as it ends
} finally {
  await lab.close();
}
