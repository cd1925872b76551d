import { z } from "zod";
import { isName } from "../model/keys.ts";
import { Fault } from "./fault.ts";

/** A name in a question. */
export const name = z.string().refine(isName, { error: "expected a name" });

/** @throws Fault on what is no such question */
export function read<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => [...issue.path, issue.message].join(": "));
  throw new Fault(400, "QUERY", `Cannot read the question: ${faults.join("; ")}`);
}
