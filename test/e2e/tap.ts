import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import type { EventLine } from "../../src/observe/event-schema.ts";
import type { Scene } from "./scene.ts";

type Matching<Type extends EventLine["type"]> = Extract<EventLine, { type: Type }>;

/** What one agent tells, from the moment the tap is opened. */
export interface Tap {
  readonly events: readonly EventLine[];
  of<Type extends EventLine["type"]>(type: Type): Matching<Type>[];
  /** The first event of a type that fits, past or to come. Rejects when the agent ends first, or after a minute. */
  until<Type extends EventLine["type"]>(type: Type, fits?: (event: Matching<Type>) => boolean): Promise<Matching<Type>>;
}

const patience = 60_000;

/** Listens to `skein events`, by the socket, until the test ends. */
export async function openTap(scene: Scene, host: string): Promise<Tap> {
  const events: EventLine[] = [];
  const waiting = new Set<(event: EventLine | undefined) => void>();
  const [asked, answer] = await connect(scene.agent(host).socket);
  onTestFinished(() => void asked.destroy());
  const reader = createInterface({ input: answer });
  reader.on("line", (line) => {
    const event = JSON.parse(line) as EventLine;
    events.push(event);
    for (const look of waiting) look(event);
  });
  // Cut off, when the agent is killed: `close` comes too.
  for (const stream of [answer, reader]) stream.on("error", () => {});
  answer.on("close", () => {
    for (const look of waiting) look(undefined);
  });

  const of = <Type extends EventLine["type"]>(type: Type) =>
    events.filter((event): event is Matching<Type> => event.type === type);

  return {
    events,
    of,
    until: (type, fits = () => true) =>
      new Promise((resolve, reject) => {
        const found = of(type).find(fits);
        if (found !== undefined) return resolve(found);
        const end = (then: () => void) => {
          clearTimeout(timer);
          waiting.delete(look);
          then();
        };
        const fail = (why: string) =>
          end(() => reject(new Error(`Cannot await event: expected ${type}, got ${why}: ${summaryOf(events)}`)));
        const look = (event: EventLine | undefined) => {
          if (event === undefined) fail("the end of the agent");
          else if (event.type === type && fits(event as never)) end(() => resolve(event as never));
        };
        const timer = setTimeout(() => fail(`none within ${patience} ms`), patience);
        waiting.add(look);
      }),
  };
}

/** Resolves with the answer's head: what happens from then on is told. */
function connect(socketPath: string): Promise<[ClientRequest, IncomingMessage]> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/v1/events", agent: false }, (answer) => resolve([asked, answer]));
    asked.on("error", reject);
    asked.end();
  });
}

function summaryOf(events: readonly EventLine[]): string {
  const lines = events.map((event) => ("text" in event ? `${event.type} ${event.text}` : JSON.stringify(event)));
  return lines.slice(-30).join("\n") || "nothing else";
}
