import type { NetworkStatus } from "../../observe/answers.ts";
import { amiss, type Check, well } from "../check.ts";
import type { AgentFound } from "../found.ts";

const area = "agent";

export function judgeAgent(found: AgentFound): Check[] {
  const said = { area, name: "agent", expected: "skein agent, ready" } as const;
  if (found.state !== "running") {
    const remedy =
      found.state === "none"
        ? "systemctl start skein; what it said: journalctl -u skein"
        : "ask again in a moment; what it waits for: journalctl -u skein";
    return [amiss("warning", { ...said, found: found.why }, remedy)];
  }
  const { host, version, ready, brake, networks, rejected } = found.status;
  const name = `skein ${version} as ${host}`;
  return [
    ready
      ? well({ ...said, found: `${name}, ready` })
      : amiss("warning", { ...said, found: `${name}, starting` }, "what it waits for: journalctl -u skein"),
    brake
      ? amiss(
          "wrong",
          { area, name: "brake", expected: "no removals held", found: `${brake.removals} held: ${brake.why}` },
          "see what would go with skein plan; if that is meant: skein release",
        )
      : well({ area, name: "brake", expected: "no removals held", found: "none held" }),
    judgeRows(networks),
    ...judgeTunnels(networks),
    judgeRecords(networks, rejected.length),
  ];
}

function judgeRows(networks: readonly NetworkStatus[]): Check {
  const failed = networks.flatMap((network) => network.failed);
  const said = { area, name: "rows", expected: "every row in the kernel" } as const;
  const rows = networks.reduce((sum, network) => sum + network.rows, 0);
  const [first] = failed;
  if (first === undefined) return well({ ...said, found: `${rows} as declared` });
  const found = `${failed.length} of ${rows} failed, the first: ${first.row}: ${first.message}`;
  return amiss(
    "wrong",
    { ...said, found },
    "skein status has each with its reason; they are tried again by themselves",
  );
}

function judgeTunnels(networks: readonly NetworkStatus[]): Check[] {
  const encrypted = networks.flatMap(({ tunnels }) => tunnels ?? []);
  if (encrypted.length === 0) return [];
  const wanted = encrypted.reduce((sum, tunnels) => sum + tunnels.wanted, 0);
  const up = encrypted.reduce((sum, tunnels) => sum + tunnels.up, 0);
  const said = { area, name: "tunnels", expected: "every tunnel up" } as const;
  if (up === wanted) return [well({ ...said, found: `${up} of ${wanted} up` })];
  const why = encrypted.find((tunnels) => tunnels.why)?.why;
  const found = `${up} of ${wanted} up${why ? `, the first that is not: ${why}` : ""}`;
  return [amiss("wrong", { ...said, found }, "skein tunnels says of each why; so does the peer's")];
}

function judgeRecords(networks: readonly NetworkStatus[], rejected: number): Check {
  const skipped = networks.reduce((sum, network) => sum + network.skipped.length, 0);
  const said = { area, name: "records", expected: "every record has an effect" } as const;
  if (skipped + rejected === 0) return well({ ...said, found: "all do" });
  const found = `${skipped} without effect here, ${rejected} that are none`;
  return amiss("warning", { ...said, found }, "skein status has each with its reason");
}
