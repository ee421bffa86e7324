/**
 * `credential_process`: a program of the user's that prints credentials.
 *
 * The SDK would run it with an input that stays open, so that a program which asks something hangs; and without a limit. Ours is
 * closed, so that the program cannot eat the client's messages either.
 */
import { spawn } from "node:child_process"
import { limited } from "../../core/abort.ts"
import { PosternError } from "../../core/diagnosis.ts"
import { OWN_GROUP, signalGroup } from "../../core/process-group.ts"
import { awsCredentialsFailed } from "./diagnoses.ts"
import type { AwsCredentials } from "./credentials.ts"

const LIMIT_MS = 60_000
const MOST_BYTES = 64 * 1024

/**
 * Runs the command line.
 *
 * @param source - where it stands, in words
 * @throws {PosternError} `aws-credentials-failed`
 */
export async function runCredentialProcess(command: string, source: string, signal: AbortSignal): Promise<AwsCredentials> {
  const fail = (reason: string): PosternError => new PosternError(awsCredentialsFailed({ source, reason }))
  const printed = await run(command, fail, limited(signal, LIMIT_MS))
  let parsed: Record<string, unknown> | null
  try {
    parsed = JSON.parse(printed) as Record<string, unknown> | null
  } catch {
    throw fail("its credential_process printed no JSON") // what it printed may hold a secret
  }
  const { Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration } = parsed ?? {}
  if (Version !== 1) throw fail("its credential_process printed another format than Version 1")
  if (typeof AccessKeyId !== "string" || typeof SecretAccessKey !== "string") throw fail("its credential_process printed no keys")
  const expiresAtMs = typeof Expiration === "string" ? Date.parse(Expiration) : undefined
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    ...(typeof SessionToken === "string" ? { sessionToken: SessionToken } : {}),
    ...(expiresAtMs === undefined || Number.isNaN(expiresAtMs) ? {} : { expiresAtMs }),
  }
}

function run(command: string, fail: (reason: string) => PosternError, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // The user wrote a command line, so a shell reads it.
    // Whoever is asked to ask itself (`postern aws credentials` of an entry that signs by this profile) can tell.
    const env = { ...process.env, POSTERN_AWS_CREDENTIALS: "1" }
    const child = spawn(command, { env, shell: true, stdio: ["ignore", "pipe", "pipe"], ...OWN_GROUP })
    let out = ""
    let err = ""
    const kill = (): void => signalGroup(child, "SIGKILL")
    const onAbort = (): void => {
      kill()
      reject(fail("its credential_process did not end in time"))
    }
    signal.addEventListener("abort", onAbort, { once: true })
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8")
      if (out.length <= MOST_BYTES) return
      kill()
      reject(fail(`its credential_process printed more than ${MOST_BYTES / 1024} KiB`))
    })
    child.stderr.on("data", (chunk: Buffer) => (err = `${err}${chunk.toString("utf8")}`.slice(0, 1000)))
    child.on("error", (error) => reject(fail(`its credential_process could not be started (${error.message})`)))
    child.on("close", (code, endedBy) => {
      signal.removeEventListener("abort", onAbort)
      if (code === 0) resolve(out)
      else reject(fail(`its credential_process ended with ${endedBy ?? `code ${code}`}${err === "" ? "" : `: ${err}`}`))
    })
  })
}
