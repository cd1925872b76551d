import { InvalidArgumentError } from "commander";

const secondsOf: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Seconds of `30`, `30s`, `500ms`, `5m`, `1h`. @throws InvalidArgumentError */
export function seconds(text: string): number {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("Expected a duration such as 30s, 500ms or 5m.");
  return Number(number) * (secondsOf[unit] as number);
}

/** @throws InvalidArgumentError */
export function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("Expected a number such as 100.");
  return Number(text);
}

/** `a,b` and `a, b` alike; nothing for an empty text. */
export function list(text: string): string[] {
  return text.split(",").flatMap((part) => part.trim() || []);
}
