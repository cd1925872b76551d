import { extname, join } from "node:path";

/**
 * The command line of one of our own programs, by its path below `src` without extension: TypeScript here, JavaScript once
 * built. Node's flags are this process's.
 */
export function program(path: string): [string, ...string[]] {
  return [process.execPath, ...process.execArgv, join(import.meta.dirname, "..", path + extname(import.meta.filename))];
}
