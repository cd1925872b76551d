import { expect, test, vi } from "vitest";
import { createAddresses } from "../../src/ipam/addresses.ts";
import type { Revision } from "../../src/model/revision.ts";
import type { Client } from "../../src/store/client.ts";
import type { StoreEvent } from "../../src/store/event.ts";
import { type Op, self, worldOf } from "../desired/fold.ts";

const records: Op[] = [
  { key: "networks/blue", value: { cidr: "10.42.0.0/16", backend: { type: "vxlan", vni: 7 } }, created: 1n },
  { key: "keyspaces/blue/containers/h1/c0", value: { name: "c" }, created: 2n },
];

test("containers that wait for their host to join are not looked at again for each change to the network", async () => {
  const world = worldOf(records);
  const inputs = vi.fn(() => ({ world, self }));
  const addresses = createAddresses({ client: {} as Client, inputs, tell: () => {} });
  addresses.start();
  addresses.take(
    Array.from({ length: 1000 }, (_, n): StoreEvent => {
      const revision = String(n + 2) as Revision;
      const value = Buffer.from('{"name":"c"}');
      return {
        type: "put",
        key: `keyspaces/blue/containers/h1/c${n}`,
        value,
        revision,
        created: revision,
        via: "list",
      };
    }),
  );
  const turns = async () => {
    for (let n = 0; n < 100; n++) await Promise.resolve();
  };
  await vi.waitFor(async () => {
    const before = inputs.mock.calls.length;
    await turns();
    expect(inputs.mock.calls.length).toBe(before);
  });
  inputs.mockClear();
  for (let n = 0; n < 20; n++) {
    addresses.review(["blue"]);
    await turns();
  }
  expect(inputs.mock.calls.length).toBeLessThan(100);
  addresses.stop();
});
