/** Lets the first few of each sort through, and counts the rest. */
export interface LogLimit {
  /** Whether this one is to be logged. */
  admit(sort: string): boolean;
  /** Tells at once of what was left out, and ends. */
  close(): void;
}

export interface LogLimitOptions {
  /** So many of one sort are logged in one window. */
  most: number;
  windowMs: number;
  /** At the end of a window that had more. */
  leftOut(sort: string, count: number): void;
}

/** Ten thousand records of one bad writer are one problem: the log names some of them, the API and status all. */
export function limitLog({ most, windowMs, leftOut }: LogLimitOptions): LogLimit {
  const windows = new Map<string, { count: number; timer: NodeJS.Timeout }>();

  function end(sort: string): void {
    const window = windows.get(sort);
    windows.delete(sort);
    clearTimeout(window?.timer);
    if (window && window.count > most) leftOut(sort, window.count - most);
  }

  return {
    admit(sort) {
      const window = windows.get(sort);
      if (window === undefined) {
        windows.set(sort, { count: 1, timer: setTimeout(end, windowMs, sort).unref() });
        return true;
      }
      window.count += 1;
      return window.count <= most;
    },
    close() {
      for (const sort of [...windows.keys()]) end(sort);
    },
  };
}
