import { once } from "node:events";
import { createLab } from "../../src/lab/lab.ts";

/** Owns a lab until it is killed. What it leaves running is hard to find: sessions and namespaces of their own, deaf to SIGTERM. */
const lab = await createLab({ hosts: 1 });
const host = lab.host("h1");
const container = await host.container("web");
const stubborn = "trap '' TERM HUP INT; setsid sleep 1000 & setsid unshare --mount sleep 1000 & echo running; wait";
await once(host.spawn("sh", ["-c", stubborn]).stdout, "data");
await once(container.spawn("sh", ["-c", stubborn]).stdout, "data");
await lab.outside.serve();
console.log(JSON.stringify({ name: lab.name, directory: lab.directory }));
setInterval(() => {}, 1_000_000);
