/** Keys that are renewed under a running bridge: the same identity goes on, and is asked for once. */
import { rm, writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import type { Authenticator } from "../../../src/auth/method.ts"
import { addUser, type Holder, toCredentialsFile } from "../../servers/aws/keys.ts"
import { type AwsStage, makeStage } from "./stage.ts"

/** A port of this machine where nobody listens. */
const NOBODY = "http://127.0.0.1:9"

/** A server whose keys a program prints: what `issue` was last given. */
async function withProgram(stage: AwsStage) {
  const printed = stage.folder.at("printed")
  await stage.write({ config: `[profile tool]\ncredential_process = cat ${printed}\n` })
  return {
    running: stage.authenticator(stage.server({ aws: { profile: "tool" } })),
    issue: ({ accessKeyId, secretAccessKey }: Holder) =>
      writeFile(printed, JSON.stringify({ Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey })),
    breakDown: () => rm(printed),
  }
}

test("2.6: keys are renewed although AWS could not be asked whose the first ones were, and could be later", async () => {
  await using stage = await makeStage()
  const [old, renewed] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna")]
  const { running, issue } = await withProgram(stage)
  const { AWS_ENDPOINT_URL_STS: sts = "" } = stage.env
  stage.env["AWS_ENDPOINT_URL_STS"] = NOBODY
  await issue(old)
  await stage.call(running)
  expect(await running.identity()).toMatchObject({ subject: expect.stringContaining("whoever holds") }) // the trap was reached

  stage.env["AWS_ENDPOINT_URL_STS"] = sts
  stage.holders.delete(old.accessKeyId)
  await issue(renewed)
  await stage.call(running)

  expect(stage.endpoint.callers).toEqual([old, renewed])
  expect(await running.identity()).toMatchObject({ subject: renewed.arn })
})

test("2.6: keys that are replaced in their file stop, where AWS could not be asked whose the first ones were", async () => {
  await using stage = await makeStage()
  const [dev, prod] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna", "999999999999")]
  const { AWS_ENDPOINT_URL_STS: sts = "" } = stage.env
  stage.env["AWS_ENDPOINT_URL_STS"] = NOBODY
  await stage.write({ credentials: toCredentialsFile("default", dev) })
  const running = stage.authenticator()
  await stage.call(running)
  expect(await running.identity()).toMatchObject({ subject: expect.stringContaining("whoever holds") }) // the trap was reached

  stage.env["AWS_ENDPOINT_URL_STS"] = sts
  await stage.write({ credentials: toCredentialsFile("default", prod) })

  await expect(stage.call(running)).rejects.toMatchObject({ diagnosis: { code: "aws-identity-changed" } })
  expect(stage.endpoint.callers).toEqual([dev])
})

test("a late refusal of keys that were replaced meanwhile does not ask their source, and its call goes out with the present ones", async () => {
  await using stage = await makeStage()
  const [old, renewed] = [addUser(stage.holders, "anna"), addUser(stage.holders, "anna")]
  const { running, issue, breakDown } = await withProgram(stage)
  await issue(old)
  const onItsWay = [
    async () => {
      stage.holders.delete(old.accessKeyId)
      await issue(renewed)
      await stage.call(running)
      await breakDown()
    },
  ]
  const late: Authenticator = {
    ...running,
    async authorize(request, signal) {
      const signed = await running.authorize(request, signal)
      await onItsWay.pop()?.()
      return signed
    },
  }

  const answer = await stage.call(late)

  expect(stage.endpoint.refusals).toHaveLength(2) // of the first keys, both
  expect(answer.status).toBe(200)
  expect(stage.endpoint.callers).toEqual([renewed, renewed])
})
