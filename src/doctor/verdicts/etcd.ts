import type { StatusAnswer } from "../../observe/answers.ts";
import { amiss, type Check, well } from "../check.ts";
import type { EtcdFound } from "../found.ts";
import { isAtLeast } from "./charon.ts";

const area = "etcd";

/** @param seen what the agent says, where one runs */
export function judgeEtcd({ endpoints, alarms }: EtcdFound, seen: StatusAnswer["etcd"] | undefined): Check[] {
  const someAnswer = endpoints.some((endpoint) => "version" in endpoint);
  return [
    ...(endpoints.length === 0
      ? [well({ area, name: "endpoints", expected: "an etcd", found: "none named: an agent here runs its own" })]
      : []),
    ...endpoints.flatMap((endpoint) =>
      "version" in endpoint
        ? [judgeVersion(endpoint.endpoint, endpoint.version)]
        : [
            amiss(
              someAnswer ? "warning" : "wrong",
              { area, name: endpoint.endpoint, expected: "an answer", found: endpoint.why },
              "start it, or let this host reach it; meanwhile the data plane stays as it is",
            ),
          ],
    ),
    ...alarms.map((alarm) =>
      amiss(
        "wrong",
        { area, name: "alarm", expected: "none", found: alarm },
        alarm.toLowerCase() === "nospace"
          ? "etcdctl compact, etcdctl defrag, then etcdctl alarm disarm"
          : "see etcdctl alarm list; a corrupt member is to be removed and added anew",
      ),
    ),
    ...(seen?.staleSince === undefined
      ? []
      : [
          amiss(
            "wrong",
            {
              area,
              name: "records",
              expected: "told as they change",
              found: `stale since ${seen.staleSince}: ${seen.why}`,
            },
            "nothing is lost: once etcd answers, the agent lists again and goes on",
          ),
        ]),
  ];
}

function judgeVersion(endpoint: string, version: string): Check {
  const said = { area, name: endpoint, expected: "3.4.25, 3.5.8 or newer", found: version } as const;
  const isMended = isAtLeast(version, [3, 5, 0]) ? isAtLeast(version, [3, 5, 8]) : isAtLeast(version, [3, 4, 25]);
  if (isMended) return well(said);
  const why = "its progress answers may overtake events";
  return amiss("warning", { ...said, found: `${version}: ${why}` }, "upgrade it; Skein itself does not rely on them");
}
