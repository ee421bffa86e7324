/** docs/aws.md, "A role that wants an MFA code": the code is asked for on a terminal, and its session serves the running client. */
import { appendFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { startClient } from "../../harness/client.ts"
import { startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { ROLE, makeAwsPerson } from "./stage.ts"

const call = { name: "echo", arguments: { text: "hello" } }

test("2.3: postern auth asks for the code of the MFA device, refuses a wrong one, and the running client goes on with the session", async () => {
  await using aws = await makeAwsPerson()
  const endpoint = await startAwsEndpoint({ holders: aws.holders })
  onTestFinished(() => endpoint.close())
  aws.sts.roles.set(ROLE, { trusts: [aws.ada.arn], mfaCodes: new Set(["123456"]) })
  const profile = `[profile guarded]\nrole_arn = ${ROLE}\nsource_profile = dev\nmfa_serial = arn:aws:iam::123456789012:mfa/ada\n`
  await appendFile(join(aws.person.home, ".aws/config"), profile)
  const where = ["--service", "execute-api", "--region", "ap-southeast-1"]
  await aws.person.added(["add", "finance", "--aws", "--profile", "guarded", ...where, endpoint.url])
  const env = { ...aws.person.env, ...aws.env }
  await using client = startClient({ path: aws.person.project, env }, ["run", "finance"])
  const enter = async (code: string): Promise<number> => {
    const terminal = aws.person.terminal(["auth", "finance"], { env: aws.env })
    await terminal.shows("Code of the MFA device arn:aws:iam::123456789012:mfa/ada")
    terminal.type(`${code}\r`)
    return terminal.exited
  }

  const opened = await client.open()
  const locked = JSON.stringify(await client.request("tools/call", call))
  const wrong = await enter("999999")
  const right = await enter("123456")
  const answer = await client.request("tools/call", call)

  expect(opened.result).toBeDefined()
  expect(locked).toContain("postern auth finance")
  expect([wrong, right]).toEqual([3, 0])
  expect(aws.sts.refusals).toEqual([{ action: "AssumeRole", type: "AccessDenied" }]) // the wrong code, and nothing was tried without one
  expect(answer.result).toEqual({ content: [{ type: "text", text: "hello" }] })
  expect(aws.sts.callsOf("AssumeRole")).toHaveLength(1)
})
