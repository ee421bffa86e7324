// Calls one tool of a configured server, and shows what the server says meanwhile.
//   node call-tool.mjs NAME TOOL [JSON]
import { PosternError, openBridge } from "postern"

const [name = "", tool = "", json = "{}"] = process.argv.slice(2)

try {
  const bridge = await openBridge(name, {
    clientInfo: { name: "call-tool", version: "1.0.0" },
    onNotification: ({ method, params }) => console.error(method, JSON.stringify(params)),
  })
  try {
    const params = { name: tool, arguments: JSON.parse(json), _meta: { progressToken: 1 } } // the token asks for progress
    console.log(JSON.stringify(await bridge.request("tools/call", params, AbortSignal.timeout(60_000))))
  } finally {
    await bridge.close()
  }
} catch (error) {
  if (!(error instanceof PosternError)) throw error
  const { code, cause, evidence, next } = error.diagnosis
  console.error(`${code}: ${cause}`, ...evidence, next ?? "")
  process.exitCode = 1
}
