import { getSystemErrorName } from "node:util";

/** `ENODEV` for 19; `OK` for 0. */
export function errnoName(errno: number): string {
  return errno > 0 ? getSystemErrorName(-errno) : "OK";
}
