/** The floors of the house (docs/architecture.md): imports go down only, and the three stores do not know each other. */
const floors = ["bin", "cli", "inspect", "bridge", "auth", "(vault|config|audit)", "core"]

const upward = floors.slice(1).map((floor, index) => ({
  name: `${floor.replace(/\W/g, "-")}-imports-nothing-above-it`,
  severity: "error",
  from: { path: `^src/${floor}/` },
  to: { path: `^src/((${floors.slice(0, index + 1).join("|")})/|index\\.ts)` },
}))

module.exports = {
  forbidden: [
    ...upward,
    ...["vault", "config", "audit"].map((room) => ({
      name: `${room}-does-not-know-its-neighbours`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: `^src/(vault|config|audit)/`, pathNot: `^src/${room}/` },
    })),
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    {
      name: "one-http-layer",
      comment:
        "Proxies, limits and address rules must hold on every path, so only core/http*.ts open connections; core/address*.ts judge addresses.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/core/(http|address)" },
      to: { path: "^(node:)?(https?|http2|net|tls)$", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "one-way-to-a-refresh",
      comment: "Two exchanges of one refresh token lose it: only the renewal, which holds the lease, may make one.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/auth/oauth/renew\\.ts$" },
      to: { path: "^src/auth/oauth/refresh\\.ts$" },
    },
    {
      name: "oauth4webapi-behind-our-http",
      comment: "What it sends passes the gate for addresses and our own limits (authorization-server.ts).",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/auth/oauth/" },
      to: { path: "oauth4webapi" },
    },
    {
      name: "one-writer-for-files",
      comment: "Temporary file, fsync, rename, modes and symlinks are dealt with once.",
      severity: "error",
      from: { path: "^src/(vault|auth|bridge|inspect|audit)/" },
      to: { path: "^(node:)?fs(/promises)?$" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".js"], conditionNames: ["import", "node", "default"] },
    doNotFollow: { path: "node_modules" },
  },
}
