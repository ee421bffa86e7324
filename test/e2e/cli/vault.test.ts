/** Row 7: `postern vault status|set|remove`. */
import { stat } from "node:fs/promises"
import { expect, test } from "vitest"
import { formsOf, makePerson, newSecret, whereIs } from "../../harness/postern.ts"

const URL = "https://api.example/mcp"

test.concurrent("7: vault status says where the vault is, what opens it and what that protects from, before and after the first secret", async () => {
  await using person = await makePerson()
  const secret = newSecret()

  const before = await person.postern(["vault", "status"])
  const untouched = [...(await person.files()).keys()]
  await person.postern(["add", "weather", "--header", "X-Api-Key: -", URL], { stdin: secret })
  const after = await person.postern(["vault", "status"])
  const asJson = await person.postern(["vault", "status", "--json"])

  expect(before).toMatchObject({ code: 0, stderr: "" })
  expect(before.stdout).toContain("nothing is stored yet")
  expect(untouched).toEqual([])
  for (const { stdout } of [before, after]) {
    expect(stdout).toContain(`${person.folder}/vault.json`)
    expect(stdout).toContain(`key-file: ${person.folder}/vault.key`)
    expect(stdout).toContain("protects from   an accidental commit")
    expect(stdout).toContain("but not from    other programs of this user")
  }
  expect(after.stdout).toMatch(/^weather\.x-api-key +[0-9a-f]{8} +\d{4}-\S+Z +https:\/\/api\.example$/m)
  expect(asJson.json()).toMatchObject({
    exists: true,
    keySource: "key-file",
    entries: [{ name: "weather.x-api-key", origin: "https://api.example" }],
  })
  for (const form of formsOf(secret)) expect(after.stdout + asJson.stdout).not.toContain(form)
})

test.concurrent("7: vault set stores what a configuration refers to, bound to the one address that refers to it", async () => {
  await using person = await makePerson()
  const [first, second] = [newSecret(), newSecret()]
  await person.added(["add", "one", "--header", "X-Api-Key: ${vault:one-key}", URL], ["add", "elsewhere", "https://elsewhere.example/mcp"])

  const set = await person.postern(["vault", "set", "one-key", "-"], { stdin: `${first}\n` })
  const headers = await person.postern(["headers", "one"])
  const forOther = await person.postern(["vault", "set", "one-key", "-", "--server", "elsewhere"], { stdin: second })
  const refused = await person.postern(["headers", "one"])

  expect(set).toMatchObject({ code: 0, stderr: "" })
  expect(set.stdout).toContain("for https://api.example only")
  expect(headers.json()).toEqual({ "x-api-key": first })
  expect(forOther.stdout).toContain("for https://elsewhere.example only")
  expect(refused).toMatchObject({ code: 4, stdout: "" })
  expect([...(await whereIs(first, person)), ...(await whereIs(second, person))]).toEqual([])
})

test.concurrent("7: a secret that another client's file refers to is stored by the command that its absence is told with", async () => {
  await using person = await makePerson()
  const secret = newSecret()
  const file = await person.write("its own/mcp.json", { mcpServers: { one: { url: URL, headers: { "X-Api-Key": "${vault:one-key}" } } } })

  const missing = await person.postern(["headers", "one", "--config", file])
  const set = await person.postern(["vault", "set", "one-key", "-", "--config", file], { stdin: secret })
  const headers = await person.postern(["headers", "one", "--config", file])

  expect(missing.stderr).toContain(`\n  next: postern vault set one-key - --config '${file}'\n`)
  expect(set).toMatchObject({ code: 0, stderr: "" })
  expect(headers.json()).toEqual({ "x-api-key": secret })
})

test.concurrent("7: a secret for a server of a project file is stored only once its owner has approved the file", async () => {
  await using person = await makePerson()
  await person.write(".postern.json", { mcpServers: { theirs: { url: URL, headers: { "X-Api-Key": "${vault:k}" } } } })

  const refused = await person.postern(["vault", "set", "k", "-", "--server", "theirs"], { stdin: newSecret() })

  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("next: postern trust ")])
})

test.concurrent("7: vault set refuses a secret that it cannot bind, one that cannot have that name, and one that is empty", async () => {
  await using person = await makePerson()
  await person.added(
    ["add", "one", "--header", "X-Api-Key: ${vault:shared}", URL],
    ["add", "two", "--header", "X-Api-Key: ${vault:shared}", "https://two.example/mcp"],
    ["add", "three", "--header", "X-Api-Key: ${vault:third}", URL],
  )
  await person.write(".postern.json", {
    mcpServers: { theirs: { url: "https://stranger.example", headers: { "X-Api-Key": "${vault:third}" } } },
  })
  const wrong: readonly (readonly [readonly string[], string, string])[] = [
    [["unused", "-"], newSecret(), "No server refers to ${vault:unused}"],
    [["shared", "-"], newSecret(), "several addresses"],
    [["third", "-", "--server", "nobody"], newSecret(), 'There is no server named "nobody"'],
    [["third", "-"], "\n", "empty"],
    [["third"], newSecret(), "postern vault set third -"],
    [["bad name", "-", "--server", "one"], newSecret(), "cannot be the name"],
  ]

  for (const [args, stdin, told] of wrong) {
    const refused = await person.postern(["vault", "set", ...args], { stdin })
    expect(refused, args.join(" ")).toMatchObject({ code: 2, stdout: "" })
    expect(refused.stderr, args.join(" ")).toContain(told)
  }
  expect((await person.postern(["vault", "set", "third", "-"], { stdin: newSecret() })).stdout).toContain("for https://api.example only")
})

test.concurrent("7: vault remove forgets one secret, and fails where there was none", async () => {
  await using person = await makePerson()
  await person.postern(["add", "one", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })

  const removed = await person.postern(["vault", "remove", "one.x-api-key", "--json"])
  const again = await person.postern(["vault", "remove", "one.x-api-key"])
  const listed = await person.postern(["list", "--json"])

  expect(removed).toMatchObject({ code: 0, stderr: "" })
  expect(removed.json()).toEqual({ name: "one.x-api-key", removed: true, neededBy: ["one"] })
  expect(again.code).toBe(1)
  expect(again.stdout).toContain("no secret named one.x-api-key")
  expect(listed.json()).toMatchObject({ servers: [{ name: "one", needsSignIn: true, problem: { code: "secret-missing" } }] })
})

test.concurrent("7: what is written is for this user only", async () => {
  await using person = await makePerson()
  await person.postern(["add", "one", "--header", "X-Api-Key: -", URL], { stdin: newSecret() })

  const modes = await Promise.all(
    ["", "config.json", "vault.json", "vault.key"].map(async (name) => (await stat(`${person.folder}/${name}`)).mode & 0o777),
  )

  expect(modes).toEqual([0o700, 0o600, 0o600, 0o600])
})
