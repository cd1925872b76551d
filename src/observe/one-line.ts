/** Text that came from outside, safe in a terminal and in a log: control characters escaped, length bounded. */
export function oneLine(text: string, most = 300): string {
  const safe = text.replace(/\p{C}/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
  return safe.length > most ? `${safe.slice(0, most)}…` : safe;
}
