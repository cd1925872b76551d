import { once } from "node:events";
import { flushCompileCache } from "node:module";
import { connect } from "../../src/store/client.ts";
import { startAllocator } from "./allocator.ts";

/**
 * `node allocator-program.ts ENDPOINT PREFIX HOST`: one host's allocator in a process of its own. It says `ready`, begins
 * when it is told anything, and ends with its input, so that it does not outlive whoever started it.
 */
const [endpoint, prefix, host] = process.argv.slice(2) as [string, string, string];
const client = connect({ endpoints: [endpoint], prefix });
process.stdin.on("end", () => process.exit());
// What was compiled for the first is there for the next.
flushCompileCache();
console.log("ready");
await once(process.stdin, "data");
await startAllocator(client, host);
