const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Octets for people: `0 B`, `812 B`, `1.2 MB`, `34 GB`; powers of ten, two digits say enough. */
export function amount(octets: number): string {
  let scaled = octets;
  let power = 0;
  // Not by the logarithm: what would be rounded to 1000 kB is 1.0 MB.
  while (Math.round(scaled) >= 1000 && power < units.length - 1) {
    scaled /= 1000;
    power += 1;
  }
  return `${power > 0 && scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}
