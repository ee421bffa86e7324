/** Asks the servers of COMPANY and TEAM for anything, without and with the authority of TEAM_CA, and prints what came of it. */
import { createHttp } from "../../src/core/http.ts"
import { PosternError } from "../../src/core/diagnosis.ts"

const { env } = process
for (const tls of [undefined, { caFile: env["TEAM_CA"] ?? "" }]) {
  const http = createHttp({ silenceMs: 5_000, connectMs: 5_000, env, ...(tls && { tls }) })
  for (const url of [env["COMPANY"] ?? "", env["TEAM"] ?? ""]) {
    try {
      const { status } = await http.send({ method: "GET", url: new URL(url), headers: {} }, new AbortController().signal)
      process.stdout.write(`${status}\n`)
    } catch (error) {
      process.stdout.write(`${error instanceof PosternError ? error.diagnosis.code : String(error)}\n`)
    }
  }
  http.close()
}
