import { execFileSync, spawnSync } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import type { KernelEvent } from "../../src/kernel/kernel.ts";
import { loadLibc } from "../../src/kernel/libc.ts";
import { namedNamespaces } from "../../src/kernel/namespace-names.ts";
import { namespaceWindow } from "../../src/kernel/namespace-window.ts";
import { netlinkIo } from "../../src/kernel/netlink/socket.ts";
import { openScopes } from "../../src/kernel/open-scopes.ts";
import { freshName } from "./fresh-namespace.ts";

test("a namespace that comes while the one before it cannot be opened is tried as well", () => {
  const name = freshName().replace("skein-", "container-");
  const path = `${namedNamespaces}/${name}`;
  onTestFinished(() => void spawnSync("ip", ["netns", "delete", name]));
  execFileSync("ip", ["netns", "add", name]);

  const libc = loadLibc();
  const window = namespaceWindow(libc);
  let isReplaced = false;
  const replacing: typeof window = {
    ...window,
    inside(fd, work) {
      if (isReplaced) return window.inside(fd, work);
      isReplaced = true;
      execFileSync("ip", ["netns", "delete", name]);
      execFileSync("ip", ["netns", "add", name]);
      throw Object.assign(new Error("gone meanwhile"), { code: "ENOENT" });
    },
  };
  const told: KernelEvent[] = [];
  const scopes = openScopes(libc, netlinkIo(libc, 1 << 20), replacing, [namedNamespaces], (event) => told.push(event));
  const scope = `at:${path}` as const;
  onTestFinished(() => scopes.forget(scope));

  expect(scopes.use(scope)).toMatchObject({ code: "NETNS_MISSING", next: "wait" });
  scopes.sweep();
  expect(told).toEqual([{ type: "appeared", scope }]);
  expect(scopes.use(scope)).toMatchObject({ state: "open", path });
});
