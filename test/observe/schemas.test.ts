import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { decode } from "../../src/model/decode.ts";
import { jsonSchemas, names, type Published, schemaFile } from "../../src/observe/schemas.ts";

/** A record as in `etcdctl put KEY VALUE`; a bad one says why it is refused, and whether the JSON Schema alone would. */
interface Example {
  key: string;
  value: unknown;
  reason?: string;
  schemaRejects?: boolean;
}

function read(file: URL): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

function examples(record: Published, sort: "good" | "bad"): [string, Example][] {
  const directory = new URL(`../../schemas/examples/${record}/${sort}/`, import.meta.url);
  return readdirSync(directory).map((file) => [file, read(new URL(file, directory)) as Example]);
}

/** Whether a program that knows nothing but the committed schema would take the record. */
function accepted(record: Published, value: unknown): boolean {
  return z.fromJSONSchema(read(schemaFile(record)) as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value).success;
}

function decoded({ key, value }: Example): unknown {
  return decode(key, Buffer.from(JSON.stringify(value)));
}

describe.each(names)("the published schema of %s", (name) => {
  it("is what `npm run schemas` would write now", () => {
    expect(JSON.stringify(read(schemaFile(name)))).toBe(JSON.stringify(jsonSchemas()[name]));
  });
});

describe.each(["network", "host", "member", "container", "block", "service"] as const)("examples of %s", (record) => {
  it.each(examples(record, "good"))("%s is a record", (_, example) => {
    expect(decoded(example)).toMatchObject({ key: example.key, path: { type: record } });
    expect(accepted(record, example.value)).toBe(true);
  });

  it.each(examples(record, "bad"))("%s is refused, and says why", (_, example) => {
    expect(example.reason).toBeTruthy();
    expect(decoded(example)).toEqual({
      rejected: { code: "SHAPE", reason: expect.stringContaining(`${example.reason}`) },
    });
    expect(accepted(record, example.value)).toBe(!example.schemaRejects);
  });
});
