import type { IWatchResponse } from "etcd3";
import { connect } from "../../../src/store/client.ts";

/** A key as etcd spells it, and whether it is gone. */
export interface RawChange {
  key: string;
  isGone: boolean;
}

/** Says `ready` on standard output when the watch stands; `take` is called with the changes of each answer, as it comes. */
export async function watchRaw(endpoint: string, prefix: string, take: (changes: RawChange[]) => void): Promise<void> {
  const client = connect({ endpoints: [endpoint], prefix });
  const { start, end } = client.rangeOf("");
  const stream = await client.etcd.watchClient.watch();
  stream.on("data", ({ created, events }: IWatchResponse) => {
    if (created) process.stdout.write("ready\n");
    take(events.map(({ kv, type }) => ({ key: kv.key.toString("latin1"), isGone: type === "Delete" })));
  });
  stream.write({ create_request: { key: start, range_end: end, progress_notify: true, fragment: true } });
}
