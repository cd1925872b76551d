import { Subject } from "rxjs";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Underlay } from "../../src/desired/inputs.ts";
import type { Kernel, KernelEvent } from "../../src/kernel/kernel.ts";
import { writeAddress } from "../../src/kernel/netlink/address-messages.ts";
import { RTM_GETLINK } from "../../src/kernel/netlink/constants.ts";
import { createBridge } from "../../src/kernel/netlink/link-messages.ts";
import { MessageReader } from "../../src/kernel/netlink/reader.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";
import { watchUnderlay } from "../../src/kernel/underlay.ts";

/** What a kernel tells of a host with one interface, whose index is 0 here. */
function hostWith(eth0: { mtu: number }) {
  const events$ = new Subject<KernelEvent>();
  const links = () => {
    const writer = new MessageWriter();
    // A bridge is made with one byte less than it is wished with.
    createBridge(writer, "eth0", { type: "bridge", mtu: eth0.mtu + 1, up: true });
    return writer.finish();
  };
  const addresses = () => {
    const writer = new MessageWriter();
    writeAddress(writer, "add", 0, "10.99.0.1/24");
    return writer.finish();
  };
  const kernel: Pick<Kernel, "events$" | "dump"> = {
    events$,
    async dump(_scope, request) {
      const message = new MessageReader(request);
      message.next();
      return { ok: true, value: message.type === RTM_GETLINK ? links() : addresses() };
    },
  };
  const tell = () => events$.next({ type: "messages", scope: "host", protocol: "route", bytes: links() });
  return { kernel: kernel as Kernel, tell };
}

test("a change is seen though other interfaces never come to rest", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const eth0 = { mtu: 1500 };
  const { kernel, tell } = hostWith(eth0);
  const watch = await watchUnderlay(kernel, "eth0");
  expect(watch.now()).toEqual({ dev: "eth0", address: "10.99.0.1", prefix: "10.99.0.0/24", mtu: 1500 });
  const seen: Underlay[] = [];
  watch.changes$.subscribe((underlay) => seen.push(underlay));
  eth0.mtu = 1400;
  for (let i = 0; i < 20; i++) {
    tell();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(seen).toMatchObject([{ mtu: 1400 }]);
});
