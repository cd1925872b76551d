import { readFileSync } from "node:fs";

/** A small file's text, trimmed; undefined where it is not there or not ours to read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** undefined where the file has no number. */
export function numberOf(path: string): number | undefined {
  const text = textOf(path);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.replaceAll(/\s+/g, " ") : String(cause);
}
