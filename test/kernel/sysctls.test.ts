import { Subject } from "rxjs";
import { expect, test } from "vitest";
import type { Kernel, KernelEvent } from "../../src/kernel/kernel.ts";
import { sysctlDriver } from "../../src/kernel/sysctls.ts";

const scope = "net:blue";
const forward = "net.ipv4.ip_forward";

test("a change that the kernel tells of is told once", async () => {
  const { driver, notices, set, netconf } = fresh();
  await driver.read(scope, [forward]);
  set("0");
  await netconf();
  await netconf();
  expect(notices).toEqual([{ type: "present", row: { kind: "sysctl", scope, key: forward, value: { value: "0" } } }]);
});

test("values of a namespace that is gone are no measure for the next of its name", async () => {
  const { driver, notices, events, set, netconf } = fresh();
  await driver.read(scope, [forward]);
  events.next({ type: "vanished", scope });
  set("0");
  await netconf();
  expect(notices).toEqual([]);
});

/** A kernel with one setting, which is 1 at first. */
function fresh() {
  const events = new Subject<KernelEvent>();
  let value = "1";
  const kernel: Pick<Kernel, "events$" | "readSysctls"> = {
    events$: events,
    readSysctls: async (_scope, names) => ({ ok: true, value: names.map(() => value) }),
  };
  const driver = sysctlDriver(kernel as Kernel);
  const notices: unknown[] = [];
  driver.notices$.subscribe((notice) => notices.push(notice));
  return {
    driver,
    notices,
    events,
    set: (to: string) => {
      value = to;
    },
    async netconf() {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, bytes.length, true);
      view.setUint16(4, 80, true); // RTM_NEWNETCONF
      events.next({ type: "messages", scope, protocol: "route", bytes });
      // The driver reads within microtasks, all of which come before this.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
