/** docs/aws.md, "From nothing to a role that can read one endpoint": its commands as they stand there, in their order, in a shell. */
import { execFile } from "node:child_process"
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, onTestFinished, test } from "vitest"
import { makeHome } from "../../harness/client.ts"
import { startAwsSso } from "../../servers/aws-sso.ts"
import { startAwsEndpoint } from "../../servers/aws/endpoint.ts"
import { startAwsFront } from "../../servers/aws/front.ts"
import type { Holders } from "../../servers/aws/keys.ts"
import { startSts } from "../../servers/aws/sts.ts"

const HOST = "my-mcp-service.execute-api.ap-southeast-1.amazonaws.com"
const ROLE = "arn:aws:iam::123456789012:role/mcp-reader"
const read = (path: string): Promise<string> => readFile(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8")

/** The commands of the section, and the profile that it has one write. */
async function readSection(): Promise<{ readonly commands: readonly string[]; readonly profile: string }> {
  const [, rest = ""] = (await read("docs/aws.md")).split("## From nothing to a role that can read one endpoint\n")
  const [section = ""] = rest.split("\n## ")
  const profile = /```ini\n([^`]*)```/.exec(section)?.[1] ?? ""
  return { profile: profile.replace(/^ +/gm, ""), commands: section.match(/(?<=^ {7,})(?:postern|aws) .*$/gm) ?? [] }
}

test("2.3: a newcomer who types what docs/aws.md says ends with a role that may read one endpoint, and is the only one that signs", async () => {
  const holders: Holders = new Map()
  await using sso = await startAwsSso(holders)
  await using sts = await startSts(holders)
  const endpoint = await startAwsEndpoint({ holders })
  onTestFinished(() => endpoint.close())
  await using front = await startAwsFront({ [HOST]: endpoint.url })
  await using home = await makeHome({ USER: "anna", AWS_ENDPOINT_URL: sso.url, AWS_ENDPOINT_URL_STS: sts.url, ...front.env })
  const { commands, profile } = await readSection()
  await mkdir(join(home.path, ".aws"))
  await writeFile(join(home.path, ".aws/config"), profile)
  const bin = join(home.path, "bin")
  await mkdir(bin)
  // The person's browser walks through the page. What AWS's own commands would do is done below.
  const scripts = {
    postern: `exec "${process.execPath}" "${fileURLToPath(new URL("../../../dist/bin/postern.js", import.meta.url))}" "$@"`,
    aws: "exit 0",
    browser: `"${process.execPath}" -e 'fetch(process.argv[1]).then((answer) => answer.text())' "$1"`,
  }
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`)
    await chmod(join(bin, name), 0o755)
  }
  const env = { ...home.env, PATH: `${bin}:${home.env["PATH"]}`, BROWSER: join(bin, "browser") }
  const printed: string[] = []
  for (const command of commands) {
    const { stdout } = await promisify(execFile)("/bin/sh", ["-c", command], { env, cwd: home.path })
    printed.push(stdout)
    // What `aws iam create-role` does with the policy that it was given.
    if (command.startsWith("aws iam create-role"))
      sts.roles.set(ROLE, { trusts: trustedBy(await readFile(join(home.path, "trust.json"), "utf8")) })
  }

  const policy = JSON.parse(await readFile(join(home.path, "policy.json"), "utf8")) as { Statement: { Resource: string[] }[] }
  expect(commands.length).toBeGreaterThanOrEqual(9)
  expect(policy.Statement.flatMap(({ Resource }) => Resource)).toEqual(
    ["POST", "GET", "DELETE"].map((method) => `arn:aws:execute-api:ap-southeast-1:123456789012:my-mcp-service/prod/${method}/mcp`),
  )
  expect(printed.at(-1)).toContain("echo") // the tools of the server
  expect(new Set(endpoint.callers.map(({ arn }) => arn))).toEqual(
    new Set(["arn:aws:sts::123456789012:assumed-role/mcp-reader/postern-anna-my-mcp"]),
  )
  expect(endpoint.refusals).toEqual([])
})

/** Roles of AWS SSO are trusted by a pattern; the double compares whole roles. */
function trustedBy(policy: string): readonly string[] {
  const pattern = /arn:aws:iam::(\d{12}):role\/aws-reserved[^"]*AWSReservedSSO_(\w+?)_[?*]/.exec(policy)
  expect(pattern?.slice(1)).toEqual(["123456789012", "Developers"])
  return ["arn:aws:iam::123456789012:role/AWSReservedSSO_Developers_0123456789abcdef"]
}
