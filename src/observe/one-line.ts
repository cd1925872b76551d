/** Text that came from outside, safe in a terminal and in a log: control characters escaped, at most 300 characters. */
export function oneLine(text: string): string {
  const safe = text.replace(/\p{C}/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return safe.length > 300 ? `${safe.slice(0, 300)}…` : safe;
}
