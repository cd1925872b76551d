import { expect, test } from "vitest";
import { place } from "../../src/lab/place.ts";
import { program } from "../../src/lab/program.ts";
import { processesWith } from "./leftovers.ts";

const [node, ...bin] = program("bin");
const machine = place(["env"], process.env);
const name = `test-${process.pid}`;
const skein = (...args: string[]) => machine.exec(node, [...bin, "lab", ...args]);
const exec = (host: string, ...command: string[]) => skein("exec", "--name", name, host, "--", ...command);

test("a lab that is put up stays until it is taken down", async () => {
  expect(await skein("up", "--name", name, "--hosts", "2")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("h1 10.99.0.1, h2 10.99.0.2"),
  });
  try {
    expect(await skein("up", "--name", name)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("which is up"),
    });
    const { stdout } = await skein("ls", "--json");
    expect(JSON.parse(stdout)).toContainEqual(
      expect.objectContaining({ name, holders: expect.objectContaining({ h1: expect.any(Number) }) }),
    );

    expect(await exec("h1", "ping", "-c", "1", "-W", "1", "10.99.0.2")).toMatchObject({ code: 0 });
    expect(await exec("h2", "sh", "-c", "hostname; exit 7")).toEqual({ stdout: "h2\n", stderr: "", code: 7 });
    expect(await exec("h1", "etcdctl", "put", "/skein/v1/greeting", "hello")).toMatchObject({ code: 0 });
    expect(await exec("h2", "skein", "hosts", "--json")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("h1"),
    });
    expect(await exec("h3", "true")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("got none of that name"),
    });
  } finally {
    expect(await skein("down", "--name", name)).toMatchObject({ code: 0 });
  }
  expect(await processesWith("environ", `SKEIN_LAB=${name}`)).toEqual([]);
  expect(await exec("h1", "true")).toMatchObject({ code: 1 });
});

test("a command's input reaches it", async () => {
  expect(await skein("up", "--name", name, "--hosts", "1", "--no-agents")).toMatchObject({ code: 0 });
  try {
    const args = [...bin, "lab", "exec", "--name", name, "h1", "--", "cat"];
    expect(await machine.output(node, args, { input: "text" })).toBe("text");
  } finally {
    await skein("down", "--name", name);
  }
});

test("wrong numbers of hosts are refused", async () => {
  for (const hosts of ["0", "x", "1e1", "33"]) {
    const { code, stderr } = await skein("up", "--name", name, "--hosts", hosts);
    expect({ hosts, refused: code !== 0, stderr }).toMatchObject({
      refused: true,
      stderr: expect.stringMatching(/expected/i),
    });
  }
});
