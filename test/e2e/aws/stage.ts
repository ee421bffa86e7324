/** A person with an AWS of their own on loopback: users, STS, IAM, and the built program from outside. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { makePerson, type Outcome, type Person } from "../../harness/postern.ts"
import { type Iam, startIam } from "../../servers/aws/iam.ts"
import { type Holder, type Holders, addUser, toCredentialsFile } from "../../servers/aws/keys.ts"
import { type Sts, startSts } from "../../servers/aws/sts.ts"

const ACCOUNT = "123456789012"
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/team/mcp-finance-bot-role`

export interface AwsPerson extends AsyncDisposable {
  readonly person: Person
  readonly holders: Holders
  readonly sts: Sts
  readonly iam: Iam
  /** The person's own user, in the profile `dev`. */
  readonly ada: Holder
  /** Another one, in the profile `admin`. */
  readonly admin: Holder
  /** Runs a command in the environment of this AWS. */
  postern(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome>
  readonly env: NodeJS.ProcessEnv
}

export async function makeAwsPerson(): Promise<AwsPerson> {
  const person = await makePerson()
  const holders: Holders = new Map()
  const sts = await startSts(holders)
  const iam = await startIam(holders, sts)
  const [ada, admin] = [addUser(holders, "ada"), addUser(holders, "admin")]
  await mkdir(join(person.home, ".aws"))
  await writeFile(join(person.home, ".aws/credentials"), toCredentialsFile("dev", ada) + toCredentialsFile("admin", admin))
  await writeFile(join(person.home, ".aws/config"), "[profile dev]\nregion = ap-southeast-1\n[profile admin]\nregion = ap-southeast-1\n")
  const env = { AWS_ENDPOINT_URL_STS: sts.url, AWS_ENDPOINT_URL_IAM: iam.url, AWS_EC2_METADATA_DISABLED: "true" }
  return {
    person,
    holders,
    sts,
    iam,
    ada,
    admin,
    env,
    postern: (args, more = {}) => person.postern(args, { env: { ...env, ...more } }),
    async [Symbol.asyncDispose]() {
      await iam[Symbol.asyncDispose]()
      await sts[Symbol.asyncDispose]()
      await person[Symbol.asyncDispose]()
    },
  }
}
