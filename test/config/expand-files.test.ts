import { expect, test } from "vitest"
import { expandTlsFiles } from "../../src/config/expand-files.ts"
import type { HttpServer, TlsSettings } from "../../src/config/server.ts"

const serverWith = (tls: TlsSettings, more: Partial<HttpServer> = {}): HttpServer => ({
  name: "corp",
  scope: "user",
  file: "/home/you/.config/postern/config.json",
  trusted: true,
  enabled: true,
  transport: "http",
  url: "https://mcp.corp.example/",
  headers: {},
  tls,
  ...more,
})

test("relative paths begin at the folder of the entry's file, and variables are replaced", () => {
  const tls = { ca: "company.pem", cert: "${CERTS}/me.pem", key: "${KEY:-/etc/me.key}" }

  expect(expandTlsFiles(serverWith(tls), { CERTS: "/certs" })).toEqual({
    caFile: "/home/you/.config/postern/company.pem",
    certFile: "/certs/me.pem",
    keyFile: "/etc/me.key",
  })
})

test.each<[TlsSettings, string]>([
  [{ ca: "${NOT_SET}/ca.pem" }, "variable-not-set"],
  [{ cert: "${vault:certificate}" }, "secret-misplaced"],
  [{ cert: "${" }, "template-invalid"],
])("%j is told as %s", (tls, code) => {
  expect(() => expandTlsFiles(serverWith(tls), {})).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code }) as object }) as Error,
  )
})

test("nothing is replaced for a project file that nobody approved", () => {
  const server = serverWith({ ca: "${HOME}/ca.pem" }, { scope: "project", trusted: false })

  expect(() => expandTlsFiles(server, { HOME: "/home/you" })).toThrow(
    expect.objectContaining({ diagnosis: expect.objectContaining({ code: "project-not-trusted" }) as object }) as Error,
  )
})
