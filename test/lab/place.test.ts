import { once } from "node:events";
import { expect, test } from "vitest";
import { LabError } from "../../src/lab/error.ts";
import { place } from "../../src/lab/place.ts";

const here = place(["env"], { ...process.env, WHERE: "here" });

test("a command's output and status are values", async () => {
  expect(await here.exec("sh", ["-c", "echo out; echo err >&2; exit 3"])).toEqual({
    stdout: "out\n",
    stderr: "err\n",
    code: 3,
  });
  expect(await here.exec("sh", ["-c", "kill -9 $$"])).toMatchObject({ code: 137 });
  expect(await here.exec("no-such-command")).toMatchObject({ code: 127 });
});

test("a place that cannot be entered rejects", async () => {
  await expect(place(["no-such-program"], {}).exec("true")).rejects.toMatchObject({ code: "ENOENT" });
});

test("input, directory and environment reach the command", async () => {
  expect(await here.output("cat", [], { input: "text" })).toBe("text");
  expect(await here.output("pwd", [], { cwd: "/usr" })).toBe("/usr\n");
  expect(await here.output("sh", ["-c", "echo $WHERE $MORE"], { env: { MORE: "more" } })).toBe("here more\n");
  expect(await here.exec("true", [], { input: "x".repeat(1_000_000) })).toMatchObject({ code: 0 });
});

test("a command that must succeed rejects with what it said", async () => {
  const failing = here.output("sh", ["-c", "echo too bad >&2; exit 2"]);
  await expect(failing).rejects.toThrow(LabError);
  await expect(failing).rejects.toThrow(/expected status 0, got 2: too bad/);
});

test("a signal reaches a spawned command itself", async () => {
  const child = here.spawn("sleep", ["1000"], { cwd: "/" });
  await once(child, "spawn");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
});
