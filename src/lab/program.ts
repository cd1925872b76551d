import { extname, join } from "node:path";

/** The command line of one of our own programs, by its path below `src` without extension: TypeScript here, JavaScript once built. */
export function program(path: string): [string, string] {
  return [process.execPath, join(import.meta.dirname, "..", path + extname(import.meta.filename))];
}
