import type { z } from "zod";

type Issue = z.core.$ZodIssue;

/** What a schema has against a record, for people: at most three of its issues, and what was there instead. */
export function reasonOf(error: z.ZodError, record: unknown): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => {
      const field = issue.path.map(String).join(".");
      const got = issue.code === "invalid_key" ? issue.path.at(-1) : at(record, issue.path);
      return `${field && `${field}: `}expected ${expectation(issue)}, got ${spell(got)}`;
    })
    .join("; ");
}

/** Our own schemas say what they expect; zod's built-in checks are put in the same words. */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type": {
      const type = { int: "integer", record: "object" }[issue.expected as string] ?? issue.expected;
      return `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`;
    }
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue)}`;
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue)}`;
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(" or ");
    case "invalid_key":
      return `a key of ${issue.issues[0] ? expectation(issue.issues[0]) : "another form"}`;
    default:
      return issue.message;
  }
}

function unitOf({ origin }: { origin: string }): string {
  return { string: " characters", array: " entries" }[origin] ?? "";
}

function at(record: unknown, path: Issue["path"]): unknown {
  let value = record;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

/** Never the inside of an object: a record may be nested deeper than the stack that would print it. */
function spell(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
