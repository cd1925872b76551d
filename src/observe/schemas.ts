import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { blockSchema } from "../model/block.ts";
import { claimSchema } from "../model/claim.ts";
import { containerSchema } from "../model/container.ts";
import { hostSchema } from "../model/host.ts";
import { memberSchema } from "../model/member.ts";
import { networkSchema } from "../model/network.ts";
import { serviceSchema } from "../model/service.ts";
import { eventSchema } from "./event-schema.ts";
import { statusSchema } from "./status.ts";

/** Every record and line that others read or write, by the name of its file. */
export const published = {
  network: networkSchema,
  host: hostSchema,
  member: memberSchema,
  container: containerSchema,
  block: blockSchema,
  claim: claimSchema,
  service: serviceSchema,
  status: statusSchema,
  event: eventSchema,
};

export type Published = keyof typeof published;

export const names = Object.keys(published) as Published[];

/** The schemas as JSON Schema 2020-12, so that any language can write the records. */
export function jsonSchemas(): Record<Published, object> {
  const registry = z.registry<{ id: string }>();
  for (const name of names) registry.add(published[name], { id: name });
  const { schemas } = z.toJSONSchema(registry, { io: "input", uri: (id) => `urn:skein:v1:${id}` });
  return schemas as Record<Published, object>;
}

export function schemaFile(name: Published): URL {
  return new URL(`../../schemas/${name}.schema.json`, import.meta.url);
}

/** `npm run schemas` writes them; the formatter runs after. */
if (import.meta.main)
  for (const [name, schema] of Object.entries(jsonSchemas()))
    await writeFile(schemaFile(name as Published), JSON.stringify(schema, null, 2));
