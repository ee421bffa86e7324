import http from "node:http"
import { expect, test } from "vitest"
import { type Loopback, listenOnLoopback } from "../../src/core/http-loopback.ts"

/** A listener on a port, or undefined where this user may not have it, or somebody else does. */
const listenOn = (port: number): Promise<Loopback | undefined> =>
  listenOnLoopback({
    host: "127.0.0.1",
    port,
    path: "/callback",
    onVisit: () => ({ status: 200, html: "welcome" }),
    elsewhere: { status: 404, html: "elsewhere" },
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EACCES" && error.code !== "EADDRINUSE") throw error
    return undefined
  })

const visit = (port: number, host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/callback?code=1", headers: { host } }
    http.get(options, (answer) => resolve(answer.resume().statusCode)).on("error", reject)
  })

test("a visit on port 80 is known by its host with the port and, as browsers send it, without", async ({ skip }) => {
  await using loopback = await listenOn(80)
  if (loopback === undefined) return skip("port 80 is not to be had here")

  for (const host of ["127.0.0.1", "localhost", "127.0.0.1:80", "[::1]"]) expect(await visit(80, host)).toBe(200)
  for (const host of ["evil.example", "127.0.0.1:8080", "127.0.0.1:"]) expect(await visit(80, host)).toBe(404)
})

test("on any other port, a host without it is somebody else's", async () => {
  await using loopback = await listenOn(0)
  const port = loopback?.port ?? 0

  expect(await visit(port, `127.0.0.1:${port}`)).toBe(200)
  for (const host of ["127.0.0.1", "localhost", "127.0.0.1:80", `evil.example:${port}`]) expect(await visit(port, host)).toBe(404)
})
