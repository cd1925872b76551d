import { defineConfig } from "vitest/config";

/**
 * Unit tests need nothing but Node; the others need root, a kernel and Debian's etcd, and run one file at a time, for
 * two labs with their programs are more than two processors bear. Those of what needs ESP in the kernel (`*.vm.test.ts`)
 * are run by `test/vm/run.ts`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.real.test.ts", "test/**/*.vm.test.ts"],
          // Some start programs, and a machine may be busy.
          testTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        test: {
          name: "real",
          include: ["test/**/*.real.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: 60_000 } },
          fileParallelism: false,
          pool: "forks",
        },
      },
    ],
  },
});
