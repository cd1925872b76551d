import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../../src/cli/client.ts";
import { ping } from "../../src/lab/demo/ping.ts";
import { eventually } from "./eventually.ts";
import { type Container, openScene, type Scene, vxlan } from "./scene.ts";

const app: Container = { net: "blue", host: "h1", name: "app", ip: "10.42.64.98" };
const base: Container = { net: "blue", host: "h2", name: "base", ip: "10.42.118.43" };

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ hosts: 2 });
  await scene.start();
  await scene.put("networks/blue", vxlan(1042));
  for (const container of [app, base]) await scene.enter(container);
  await scene.converged("blue");
});
afterAll(() => scene?.lab.close());

const leave = () => ask(scene.agent("h2").socket, "POST /v1/leave");
const records = () => scene.lab.etcd.ctl(["get", "--prefix", "--keys-only", "/skein/v1/"]);

test("a host does not leave while etcd cannot be told: nothing is touched, and the agent goes on", async () => {
  await scene.lab.etcd.pause();
  await expect(leave()).rejects.toThrow(/Cannot get hosts\/h2/);
  expect(await ping(scene.placeOf(base), app.ip)).toMatchObject({ received: 2 });
  scene.lab.etcd.resume();

  await eventually(async () => expect((await scene.status("h2")).etcd.staleSince).toBeUndefined());
  expect(await scene.status("h2")).toMatchObject({ ready: true });
  const late: Container = { net: "blue", host: "h2", name: "late", ip: "10.42.118.44" };
  const place = await scene.enter(late);
  await scene.converged("blue");
  expect(await ping(place, app.ip)).toMatchObject({ received: 2 });
});

test("a host that leaves takes its rows and records along, and its agent ends", async () => {
  expect(await leave()).toEqual({ left: true });
  await eventually(async () => expect(scene.agent("h2").pid()).toBeUndefined());
  expect(await scene.lab.host("h2").output("ip", ["netns", "list"])).not.toContain("skein-");
  expect(await scene.lab.host("h2").output("ip", ["-o", "link"])).not.toContain("sku-");
  expect(await scene.placeOf(base).output("ip", ["-o", "link"])).not.toContain("eth0");

  const left = (await records()).split("\n").filter((key) => key.includes("h2"));
  expect(left).toEqual(["late", "base"].map((name) => `/skein/v1/keyspaces/blue/containers/h2/${name}`).sort());
  await eventually(async () => {
    const rows = await scene.lab.host("h1").in("skein-blue").output("ip", ["route"]);
    expect(rows).not.toContain("dev vx0");
  });
});
