/** What charon logs when something goes wrong, in its own words: nothing else tells why an SA did not come to be. */
const telling = [
  /signature validation failed/,
  /constraint check failed/,
  /no (trusted|shared|private|\w+ public) .*key/i,
  /no .*config found/,
  /received \w+ notify/,
  /traffic selectors .* unacceptable/,
  /proposals? .*unacceptable|no acceptable proposal/,
  /unable to|not supported|failed to (install|create)/,
  /peer not responding/,
  /giving up after/,
  /received DELETE/,
  /destroying duplicate|INITIAL_CONTACT/,
  // What it answered instead of beginning.
  /charon says:/,
];

/** Lines that say that something has come to its end: what follows from it is worth a look at once. */
const decisive = /fail|error|not responding|giving up|no CHILD_SA|unacceptable/i;

export function isDecisive(line: string): boolean {
  return decisive.test(line);
}

/** The first line that tells more than all that come after it. */
export function whyOf(lines: readonly string[]): string | undefined {
  for (const pattern of telling) {
    const line = lines.find((each) => pattern.test(each));
    if (line) return line;
  }
  return undefined;
}
