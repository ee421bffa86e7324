/** `postern vault` from outside, on each source of the vault's key: the built binary, a real keychain, a real terminal. */
import { chmod, readFile, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeHome, startClient } from "../../harness/client.ts"
import { type ErrorObject, type Person, makePerson, newSecret, whereIs } from "../../harness/postern.ts"
import { startMcpServer } from "../../servers/mcp-server.ts"
import { type KeyringSession, noSession, startKeyringSession } from "../../vault/keyring-session.ts"

const URL = "https://api.weather-data.com/mcp"

interface StatusObject {
  readonly keySource: string
  readonly keyPlace: string
  readonly protectsFrom: readonly string[]
  readonly doesNotProtectFrom: readonly string[]
  readonly entries: readonly { readonly name: string; readonly origin: string }[]
}

/** Stores a new secret as `weather`, as a person does with a pipe. */
async function addWeather(person: Person, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const secret = newSecret()
  const added = await person.postern(["add", "weather", "--header", "Authorization: Bearer -", URL], { stdin: `${secret}\n`, env })
  expect(added).toMatchObject({ code: 0, stderr: "" })
  return secret
}

async function writePassphrase(
  person: Person,
  variable: "POSTERN_PASSPHRASE_FILE" | "POSTERN_EXPORT_PASSPHRASE_FILE",
  passphrase = "correct horse",
): Promise<NodeJS.ProcessEnv> {
  const file = await person.write(variable, `${passphrase}\n`)
  await chmod(file, 0o600)
  return { [variable]: file }
}

/** The processes that speak with the keychain of one session. */
async function helpersOf(session: KeyringSession): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const read = (pid: string, name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")
  const seen = await Promise.all(
    pids.map(async (pid) =>
      (await read(pid, "environ")).includes(session.path) && (await read(pid, "cmdline")).includes("AsyncEntry") ? [pid] : [],
    ),
  )
  return seen.flat()
}

test("without a keychain and with nobody to ask, the key is a key file, and the answer says what that is good for", async () => {
  await using person = await makePerson()

  const added = await person.postern(["add", "weather", "--header", "Authorization: Bearer secret-token-123", URL])
  const { stdout } = await person.postern(["vault", "status"])

  expect(added.stdout).toContain(`the vault's key is in ${person.folder}/vault.key, since there is no OS keychain here (no D-Bus session: `)
  expect(added.stdout).toContain("and does not protect from other programs of this user")
  expect(stdout).toContain(`key             key-file: ${person.folder}/vault.key`)
  expect(stdout).toMatch(/^protects from {3}an accidental commit/m)
  expect(stdout).toMatch(/^but not from {4}other programs of this user, administrators of this machine, a stolen disk/m)
})

test("with a keychain, the key goes there, and a client without the variables of a terminal is told what is missing", async ({ skip }) => {
  if (noSession !== undefined) return skip(noSession)
  await using session = await startKeyringSession()
  await using person = await makePerson()
  const secret = await addWeather(person, session.env)

  const status = await person.postern(["vault", "status"], { env: session.env })
  const headers = await person.postern(["headers", "weather"], { env: session.env })
  const stripped = await person.postern(["headers", "weather", "--json"], { env: { XDG_RUNTIME_DIR: person.home } })

  expect(status.stdout).toContain("key             keychain: the Secret Service of this session")
  expect(status.stdout).toContain("but not from    other programs of this user while the keychain is unlocked")
  expect(headers.json()).toEqual({ authorization: `Bearer ${secret}` })
  expect(stripped.code).toBe(1)
  expect(stripped.json<ErrorObject>().error).toMatchObject({
    code: "keychain-absent",
    next: expect.stringContaining("DBUS_SESSION_BUS_ADDRESS"),
  })
  expect(await readdir(person.folder)).not.toContain("vault.key")
  expect(await whereIs(secret, person)).toEqual([])
})

test("where the keychain has no keyring, the status promises no more than it knows, and the answer to `add` says where the key is", async ({
  skip,
}) => {
  if (noSession !== undefined) return skip(noSession)
  await using session = await startKeyringSession({ keyring: "none" })
  await using person = await makePerson()
  const { env } = session

  const before = await person.postern(["vault", "status"], { env })
  const added = await person.postern(["add", "weather", "--header", "Authorization: Bearer secret-token-123", URL], { env })
  const again = await person.postern(["add", "other", "--header", "Authorization: Bearer secret-token-123", URL], { env })
  const after = await person.postern(["vault", "status"], { env })

  expect(before.stdout).toContain("key             keychain: the Secret Service of this session")
  expect(before.stdout).toContain(`or else         key-file: ${person.folder}/vault.key, where the keychain has no keyring to store it in`)
  expect(added.stdout).toContain(`is in ${person.folder}/vault.key, since there is no OS keychain here (Couldn't access platform storage: `)
  expect(again.stdout).toContain("the vault's key does not protect from other programs of this user")
  expect(after.stdout).toContain(`key             key-file: ${person.folder}/vault.key`)
  expect(after.stdout).not.toContain("or else")
})

test("`vault move` goes to each source and back; a running bridge goes on with its next message", async ({ skip }) => {
  if (noSession !== undefined) return skip(noSession)
  await using session = await startKeyringSession()
  await using server = await startMcpServer({ key: "right-key-123456" })
  await using home = await makeHome({ ...session.env })
  const passphrase = join(home.path, "passphrase")
  await using person = await makePerson()
  await person.write(passphrase, "correct horse\n")
  await chmod(passphrase, 0o600)
  Object.assign(home.env, { POSTERN_PASSPHRASE_FILE: passphrase })
  await home.postern(["vault", "move", "--to", "key-file"])
  await home.postern(["add", "weather", "--header", "Authorization: Bearer -", server.url], "right-key-123456\n")
  await using client = startClient(home, ["run", "weather"])
  await client.open()

  for (const to of ["keychain", "passphrase", "key-file"]) {
    const moved = await home.postern(["vault", "move", "--to", to, "--json"])
    expect(JSON.parse(moved.stdout)).toMatchObject({ to, moved: true })
    await home.postern(["rotate", "weather", "-"], `key-after-${to}\n`) // so that the bridge cannot live on what it remembers
    server.key = `key-after-${to}`

    const answer = await client.request("tools/call", { name: "echo", arguments: { text: to } })

    expect(answer.result).toEqual({ content: [{ type: "text", text: to }] })
  }
  expect(client.stderr()).toBe("")
})

test("after a move to a passphrase the answer says what clients need, which is what a bridge that runs without it says too", async () => {
  await using server = await startMcpServer({ key: "right-key-123456" })
  await using home = await makeHome()
  await home.postern(["add", "weather", "--header", "Authorization: Bearer -", server.url], "right-key-123456\n")
  const file = join(home.path, "passphrase")
  await writeFile(file, "correct horse\n", { mode: 0o600 })
  await using client = startClient(home, ["run", "weather"])
  await client.open()
  Object.assign(home.env, { POSTERN_PASSPHRASE_FILE: file })

  const moved = await home.postern(["vault", "move", "--to", "passphrase"])
  const answer = await client.request("tools/call", { name: "echo", arguments: { text: "hello" } })
  const again = await home.postern(["vault", "move", "--to", "passphrase"])

  expect(moved.stdout).toContain("next: where clients are started, set POSTERN_PASSPHRASE_FILE to a private file (mode 0600)")
  expect(moved.stdout).toContain("start them again")
  expect(answer.error).toMatchObject({ data: { code: "vault-passphrase-needed" } })
  expect(again.stdout).toContain("Nothing to do: ")
  expect(again.stdout).toContain("next: to change the passphrase, run it at a terminal without POSTERN_PASSPHRASE_FILE")
})

test("a passphrase is typed hidden, twice when it is new, and opens the vault for the next command", async () => {
  await using person = await makePerson()
  const secret = await addWeather(person)
  const passphrase = "a passphrase nobody sees"
  const type = async (terminal: ReturnType<Person["terminal"]>, question: string, text = passphrase): Promise<void> => {
    await terminal.shows(question)
    terminal.type(text)
    terminal.type("\r")
  }

  const moving = person.terminal(["vault", "move", "--to", "passphrase"])
  await type(moving, "New passphrase of the vault (it is not shown)")
  await type(moving, "The same again")
  expect(await moving.exited).toBe(0)
  const opening = person.terminal(["vault", "status"])
  await type(opening, "Passphrase of the vault (it is not shown)")
  expect(await opening.exited).toBe(0)
  const failing = person.terminal(["vault", "status"])
  await type(failing, "Passphrase of the vault (it is not shown)", "not this one")
  expect(await failing.exited).toBe(1)

  for (const terminal of [moving, opening]) expect(terminal.seen()).not.toContain(passphrase)
  expect(failing.seen()).toContain("does not open the vault")
  const alone = await person.postern(["headers", "weather", "--json"])
  expect(alone.code).toBe(1)
  expect(alone.json<ErrorObject>().error).toMatchObject({
    code: "vault-passphrase-needed",
    next: expect.stringContaining("POSTERN_PASSPHRASE_FILE"),
  })
  const withFile = await person.postern(["headers", "weather"], {
    env: await writePassphrase(person, "POSTERN_PASSPHRASE_FILE", passphrase),
  })
  expect(withFile.json()).toEqual({ authorization: `Bearer ${secret}` })
})

test("what one home exports the other imports: once, never over another secret unasked, and in clear nowhere", async () => {
  await using laptop = await makePerson()
  await using newLaptop = await makePerson()
  const secret = await addWeather(laptop)
  const env = await writePassphrase(laptop, "POSTERN_EXPORT_PASSPHRASE_FILE")
  const own = await writePassphrase(laptop, "POSTERN_PASSPHRASE_FILE", "of the vault")
  const file = join(laptop.home, "secrets.postern")

  const withoutOne = await laptop.postern(["vault", "export", file, "--json"], { env: own })
  const exported = await laptop.postern(["vault", "export", file], { env: { ...own, ...env } })
  const again = await laptop.postern(["vault", "export", file], { env })
  const alone = await newLaptop.postern(["vault", "import", file, "--json"])
  const wrong = await newLaptop.postern(["vault", "import", file, "--json"], {
    env: await writePassphrase(newLaptop, "POSTERN_EXPORT_PASSPHRASE_FILE", "another"),
  })
  const imported = await newLaptop.postern(["vault", "import", file, "--json"], { env })

  expect(withoutOne.json<ErrorObject>().error).toMatchObject({
    code: "vault-passphrase-needed",
    next: expect.stringContaining("POSTERN_EXPORT_PASSPHRASE_FILE"),
  })
  expect(exported).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`encrypted with the passphrase in ${env["POSTERN_EXPORT_PASSPHRASE_FILE"]}: weather.authorization.`),
  })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining("is there already") })
  expect(alone.json<ErrorObject>().error.code).toBe("vault-passphrase-needed")
  expect(wrong.json<ErrorObject>().error.code).toBe("vault-key-wrong")
  expect(imported.json()).toMatchObject({ added: ["weather.authorization"], kept: [] })
  const { entries } = (await newLaptop.postern(["vault", "status", "--json"], { env })).json<StatusObject>()
  expect(entries).toMatchObject([{ name: "weather.authorization", origin: "https://api.weather-data.com" }])

  const other = await addWeather(newLaptop, env) // takes the next free name
  await newLaptop.postern(["vault", "set", "weather.authorization", "-", "--server", "weather"], { stdin: `Bearer ${other}\n`, env })
  const kept = await newLaptop.postern(["vault", "import", file], { env })
  const replaced = await newLaptop.postern(["vault", "import", file, "--replace", "--json"], { env })

  expect(kept).toMatchObject({ code: 1, stdout: expect.stringContaining("not imported, because the vault has another secret") })
  expect(replaced.json()).toMatchObject({ replaced: ["weather.authorization"] })
  for (const person of [laptop, newLaptop]) expect([...(await whereIs(secret, person)), ...(await whereIs(other, person))]).toEqual([])
})

test("a command line that does not say where to is wrong usage", async () => {
  await using person = await makePerson()

  const without = await person.postern(["vault", "move"])
  const unknown = await person.postern(["vault", "move", "--to", "nowhere"])

  expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining("--to") })
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("keychain, passphrase, key-file") })
})

test.for(["SIGTERM", "SIGKILL"] as const)(
  "a command that waits for a keychain ends at once with %s, and leaves no process",
  async (signal) => {
    if (noSession !== undefined) return
    await using session = await startKeyringSession({ prompter: "hangs" })
    await using person = await makePerson()
    await addWeather(person, session.env)
    await session.lock()

    const waiting = person.start(["headers", "weather"], { env: session.env })
    const ended = new Promise((done) => waiting.on("close", done))
    await expect.poll(() => helpersOf(session), { timeout: 10_000 }).toHaveLength(1)
    const startMs = performance.now()
    waiting.kill(signal)
    await ended

    expect(performance.now() - startMs).toBeLessThan(3_000)
    await expect.poll(() => helpersOf(session)).toEqual([])
  },
)
