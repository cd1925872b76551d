import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Scope } from "../../src/desired/rows.ts";
import type { Kernel, KernelEvent } from "../../src/kernel/kernel.ts";
import { dumpLinks, readLinks, setLink, setUp } from "../../src/kernel/netlink/link-messages.ts";
import { MessageWriter } from "../../src/kernel/netlink/writer.ts";
import { openKernel } from "../../src/kernel/open.ts";
import { freshNamespace } from "./fresh-namespace.ts";
import { freshContainer, run } from "./witness.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel.close());

async function linkNames(scope: Scope): Promise<string[] | string> {
  const answer = await kernel.dump(scope, dumpLinks());
  return answer.ok ? readLinks(answer.value).map(({ name }) => name) : answer.failure.code;
}

function nextEvent(fits: (event: KernelEvent) => boolean): Promise<KernelEvent> {
  return new Promise((resolve) => {
    const subscription = kernel.events$.subscribe((event) => {
      if (!fits(event)) return;
      subscription.unsubscribe();
      resolve(event);
    });
  });
}

describe("a scope", () => {
  test("that is missing says so, and tells when it appears and vanishes", async () => {
    const container = freshContainer();
    run("ip", "netns", "delete", container.name);
    expect(await linkNames(container.scope)).toBe("NETNS_MISSING");

    const appeared = nextEvent(({ type, scope }) => type === "appeared" && scope === container.scope);
    run("ip", "netns", "add", container.name);
    await appeared;
    expect(await linkNames(container.scope)).toEqual(["lo"]);

    const vanished = nextEvent(({ type, scope }) => type === "vanished" && scope === container.scope);
    run("ip", "netns", "delete", container.name);
    await vanished;
    expect(await linkNames(container.scope)).toBe("NETNS_MISSING");
  });

  test("whose path names another namespace by now is entered anew", async () => {
    const container = freshContainer();
    container.ip("link", "add", "first", "type", "bridge");
    expect(await linkNames(container.scope)).toEqual(["lo", "first"]);
    run("ip", "netns", "delete", container.name);
    run("ip", "netns", "add", container.name);
    container.ip("link", "add", "second", "type", "bridge");
    expect(await linkNames(container.scope)).toEqual(["lo", "second"]);
  });

  test("of a process is followed where the process goes", async () => {
    const [first, second] = [freshContainer(), freshContainer()];
    second.ip("link", "add", "second", "type", "bridge");
    const processes = await openKernel({ namespaceDirectories: ["/proc"] });
    onTestFinished(() => processes.close());
    const script = `read -r go; exec nsenter --net=${second.path} sleep infinity`;
    const child = spawn("nsenter", [`--net=${first.path}`, "sh", "-c", script], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    onTestFinished(() => void child.kill());
    const path = `/proc/${child.pid}/ns/net`;
    const isIn = ({ path: other }: { path: string }) => statSync(path).ino === statSync(other).ino;
    await expect.poll(() => isIn(first)).toBe(true);
    const links = async () => {
      const answer = await processes.dump(`at:${path}`, dumpLinks());
      return answer.ok ? readLinks(answer.value).map(({ name }) => name) : answer.failure.code;
    };
    expect(await links()).toEqual(["lo"]);
    child.stdin?.write("\n");
    while (!isIn(second)) await new Promise((resolve) => setImmediate(resolve));
    expect(await links()).toEqual(["lo", "second"]);
  });

  test("that is forgotten does not keep its namespace alive", async () => {
    const container = freshContainer();
    const fresh = await freshNamespace(kernel);
    run(
      "ip",
      "link",
      "add",
      "near",
      "netns",
      fresh.name,
      "type",
      "veth",
      "peer",
      "name",
      "far",
      "netns",
      container.name,
    );
    await linkNames(container.scope);
    expect(await linkNames(fresh.scope)).toContain("near");
    await kernel.forget(container.scope);
    const gone = nextEvent(({ type, scope }) => type === "messages" && scope === fresh.scope);
    run("ip", "netns", "delete", container.name);
    // The kernel takes the pair along when it takes down the namespace, which it does in its own time.
    await gone;
    await expect.poll(() => linkNames(fresh.scope)).toEqual(["lo"]);
  });

  test("has its own sysctls, whatever the thread does next door", async () => {
    const [one, other] = [await freshNamespace(kernel), await freshNamespace(kernel)];
    const name = "net.ipv4.ip_forward";
    expect(await kernel.writeSysctls(one.scope, [[name, "1"]])).toEqual({ ok: true, value: [undefined] });
    expect(one.run("cat", "/proc/sys/net/ipv4/ip_forward").trim()).toBe("1");
    expect(other.run("cat", "/proc/sys/net/ipv4/ip_forward").trim()).toBe("0");
    expect(await kernel.readSysctls(other.scope, [name])).toEqual({ ok: true, value: ["0"] });
    expect(await kernel.readSysctls(one.scope, [name, "net.ipv4.no_such"])).toEqual({
      ok: true,
      value: ["1", undefined],
    });
  });
});

describe("a container's namespace is refused", () => {
  const refused: [what: string, make: (path: string) => void][] = [
    ["where a link leads to the agent's own", (path) => symlinkSync(`/proc/${process.pid}/ns/net`, path)],
    ["where the agent's own is mounted", (path) => mountOn("/proc/self/ns/net", path)],
    ["where it is none of the network", (path) => mountOn("/proc/self/ns/uts", path)],
    ["where a link leads out of the directory", (path) => symlinkSync("/etc/passwd", path)],
  ];
  test.each(refused)("%s", async (_what, make) => {
    const path = `/run/netns/${freshContainer().name}-x`;
    onTestFinished(() => {
      spawnSync("umount", ["--lazy", path]);
      rmSync(path, { force: true });
    });
    make(path);
    const answer = await kernel.dump(`at:${path}`, dumpLinks());
    expect(answer).toMatchObject({ ok: false, failure: { code: "NETNS_FORBIDDEN", next: "wait" } });
    expect((answer as { failure: { message: string } }).failure.message).toContain(path);
  });

  test("where it is one of our networks', by its name, a link or a mount", async () => {
    const fresh = await freshNamespace(kernel);
    const link = `/run/netns/${freshContainer().name}-l`;
    const mount = `/run/netns/${freshContainer().name}-m`;
    onTestFinished(() => {
      spawnSync("umount", ["--lazy", mount]);
      for (const path of [link, mount]) rmSync(path, { force: true });
    });
    symlinkSync(`/run/netns/${fresh.name}`, link);
    mountOn(`/run/netns/${fresh.name}`, mount);
    for (const path of [`/run/netns/${fresh.name}`, link, mount])
      expect(await linkNames(`at:${path}`)).toBe("NETNS_FORBIDDEN");
  });

  test("outside the directories, or by no absolute path; a link to a fit one is fine", async () => {
    const container = freshContainer();
    const elsewhere = mkdtempSync(join(tmpdir(), "skein-"));
    onTestFinished(() => rmSync(elsewhere, { recursive: true }));
    symlinkSync(container.path, join(elsewhere, "link"));
    expect(await linkNames(`at:${elsewhere}/link`)).toEqual(["lo"]);
    for (const path of [
      "/etc/hostname",
      `/run/netns/../../etc/hostname`,
      "run/netns/x",
      `${container.path} `,
      `${container.path}\0`,
      `/run/netns/${"x".repeat(300)}`,
    ])
      expect(await linkNames(`at:${path}`)).toBe("NETNS_FORBIDDEN");
    expect(await linkNames(`at:${container.path}/deeper`)).toBe("NETNS_MISSING");
  });

  test("as long as the file is not mounted, and taken as soon as it is", async () => {
    const container = freshContainer();
    const path = `${container.path}-late`;
    onTestFinished(() => {
      spawnSync("umount", ["--lazy", path]);
      rmSync(path, { force: true });
    });
    writeFileSync(path, "");
    expect(await linkNames(`at:${path}`)).toBe("NETNS_MISSING");
    run("mount", "--bind", container.path, path);
    expect(await linkNames(`at:${path}`)).toEqual(["lo"]);
    // What we hold must not be in the way of whoever unmounts it.
    run("umount", path);
  });

  test("while it is open by another name, and taken by who asks first when that name is let go", async () => {
    const container = freshContainer();
    const [link, mount] = [`${container.path}-l`, `${container.path}-m`] as const;
    onTestFinished(() => {
      spawnSync("umount", ["--lazy", mount]);
      for (const path of [link, mount]) rmSync(path, { force: true });
    });
    symlinkSync(container.path, link);
    mountOn(container.path, mount);
    expect(await linkNames(container.scope)).toEqual(["lo"]);
    for (const path of [link, mount]) expect(await linkNames(`at:${path}`)).toBe("NETNS_TAKEN");
    expect(await linkNames(container.scope)).toEqual(["lo"]);

    const appeared = nextEvent(({ type, scope }) => type === "appeared" && scope === `at:${mount}`);
    await kernel.forget(container.scope);
    await appeared;
    expect(await linkNames(`at:${mount}`)).toEqual(["lo"]);
    for (const path of [link, container.path]) expect(await linkNames(`at:${path}`)).toBe("NETNS_TAKEN");
    await kernel.forget(`at:${mount}`);
  });

  function mountOn(source: string, path: string): void {
    writeFileSync(path, "");
    run("mount", "--bind", source, path);
  }
});

describe("calls", () => {
  test("answer each message of a batch, and say what the kernel said", async () => {
    const { scope, run: inside } = await freshNamespace(kernel);
    inside("ip", "link", "add", "br0", "type", "bridge");
    const writer = new MessageWriter();
    setUp(writer, "br0");
    setLink(writer, "nobody", { mtu: 1400 });
    setLink(writer, "br0", { mtu: 70_000 });
    setLink(writer, "br0", { mtu: 1400 });
    const answer = await kernel.batch(scope, writer.finish());
    if (!answer.ok) throw new Error(answer.failure.message);
    expect([...answer.value.errnos]).toEqual([0, 19, 22, 0]);
    expect([...answer.value.texts]).toEqual([[2, "mtu greater than device maximum"]]);
  });

  test("come with what happened before their end", async () => {
    const { scope, run: inside } = await freshNamespace(kernel);
    inside("ip", "link", "add", "br0", "type", "bridge");
    await linkNames(scope);
    const line: string[] = [];
    const subscription = kernel.events$.subscribe((event) => void (event.scope === scope && line.push(event.type)));
    const writer = new MessageWriter();
    setUp(writer, "br0");
    await kernel.batch(scope, writer.finish()).then(() => line.push("answer"));
    subscription.unsubscribe();
    expect(line).toEqual(["messages", "answer"]);
  });

  test("fail after the end, and not with the thread's silence", async () => {
    const other = await openKernel();
    const last = other.listNamespaces();
    await other.close();
    expect(await last).toBeInstanceOf(Array);
    await expect(other.listNamespaces()).rejects.toThrow("expected an open kernel");
    await other.close();
  });
});

describe("the process ends", () => {
  const opened = `const kernel = await (await import(${JSON.stringify(join(import.meta.dirname, "../../src/kernel/open.ts"))})).openKernel();`;

  test.each([
    ["by process.exit", `${opened} process.exit(7);`, 7],
    [
      "by process.exit while calls are under way",
      `${opened} for (let i = 0; i < 99; i++) kernel.listNamespaces(); process.exit(7);`,
      7,
    ],
    ["by an uncaught throw", `${opened} setTimeout(() => { throw new Error("thrown"); });`, 1],
    ["by itself after close", `${opened} await kernel.listNamespaces(); await kernel.close();`, 0],
  ])("%s", async (_how, script, code) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
    expect(await once(child, "exit")).toEqual([code, null]);
  });

  test("when the Worker throws, since nobody could go on", async () => {
    const script = `
      import { closeSync, readdirSync, readlinkSync } from "node:fs";
      const files = readdirSync("/proc/self/fd");
      ${opened}
      const link = (fd) => { try { return readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
      const added = readdirSync("/proc/self/fd").filter((fd) => !files.includes(fd) && link(fd).includes("eventfd"));
      // The last is the one that wakes the Worker.
      closeSync(Math.max(...added.map(Number)));
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    expect(await once(child, "close")).toEqual([1, null]);
    expect(said).toContain("Cannot go on without the kernel's Worker: it threw");
  });

  test("also when built, where the Worker is a .js file", async () => {
    const project = join(import.meta.dirname, "../..");
    const dist = mkdtempSync(join(tmpdir(), "skein-dist-"));
    onTestFinished(() => rmSync(dist, { recursive: true }));
    symlinkSync(join(project, "node_modules"), join(dist, "node_modules"));
    writeFileSync(join(dist, "package.json"), `{ "type": "module" }`);
    const compiler = join(project, "node_modules/.bin/tsc");
    spawnSync(compiler, ["-p", "tsconfig.build.json", "--outDir", dist, "--noCheck"], { cwd: project });
    const script = opened.replace(join(project, "src/kernel/open.ts"), join(dist, "kernel/open.js"));
    const child = spawn(process.execPath, ["--input-type=module", "-e", `${script} await kernel.close();`], {
      stdio: "ignore",
    });
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
