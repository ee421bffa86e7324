import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // A test may start real processes on a machine with two busy cores; the limit only ends what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Most tests wait for a process or a server, so a core that is left free would only make the suite longer.
    maxWorkers: "100%",
    // In CI, on a machine that may stand still for seconds, a test gets one more try, and `.ci/sum.mjs` tells of each that needed
    // it. Here none does: who works on a test sees that it is unsteady. What fast-check has found is never tried again.
    retry: process.env["CI"] ? { count: 1, condition: /^(?!Property failed)/ } : 0,
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/e2e/**"] } },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], globalSetup: "test/harness/judges.ts" } },
    ],
  },
})
