/** What AWS's files say of a profile, read as the SDK reads them: it gets the credentials of those that we leave to it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import { readSharedConfig, type Section } from "../../../src/auth/aws/shared-config.ts"

interface SdkConfig {
  loadSharedConfigFiles(files: { filepath: string; configFilepath: string; ignoreCache: true }): Promise<{
    readonly configFile: Readonly<Record<string, Section>>
  }>
}

const ofSdk = createRequire(createRequire(import.meta.url).resolve("@aws-sdk/credential-providers"))
const sdk = ofSdk("@smithy/core/config") as SdkConfig // its own reader of these files

let folder = ""
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "postern-config-"))))
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The profile `tool`, as we read it and as the SDK does; the SDK leaves out what is empty. */
async function readTool(text: string): Promise<{ ours: Section; theirs: Section }> {
  const [config, credentials] = [join(folder, "config"), join(folder, "credentials")]
  await writeFile(config, text)
  const { profiles } = await readSharedConfig({ config, credentials })
  const { configFile } = await sdk.loadSharedConfigFiles({ filepath: credentials, configFilepath: config, ignoreCache: true })
  const ours = Object.entries(profiles.get("tool") ?? {}).filter(([, value]) => value !== "")
  return { ours: Object.fromEntries(ours), theirs: configFile["tool"] ?? {} }
}

test.each<[string, string, Section]>([
  ["all of it", "  region = eu-west-1\n\tcredential_process = print", { region: "eu-west-1", credential_process: "print" }],
  ["a key below another", "role_arn = r\n  source_profile = base", { role_arn: "r", source_profile: "base" }],
  ["what is nested", "s3 =\n  sso_session = x\nsso_session = corp", { "s3.sso_session": "x", sso_session: "corp" }],
])("keys are nested only below one without a value, whichever are indented: %s", async (_, lines, section) => {
  expect((await readTool(`[profile tool]\n${lines}\n`)).ours).toEqual(section)
})

test("whatever stands in a profile, the SDK reads the same", async () => {
  const lines = [
    "a = 1",
    "b=2 # said",
    "  c = 3",
    "\td = 4",
    "e =",
    "  f =",
    "; g = 5",
    "",
    "no key",
    " = 6",
    "[profile tool]",
    "[default]",
  ]

  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...lines), { maxLength: 10 }), async (written) => {
      const { ours, theirs } = await readTool(`[profile tool]\n${written.join("\n")}\n`)

      expect(ours).toEqual(theirs)
    }),
  )
})
