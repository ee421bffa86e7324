/** Row 1.3: a long-lived key, its age and its replacement. */
import { expect, test } from "vitest"
import { type Person, formsOf, makePerson, newSecret, whereIs } from "../../harness/postern.ts"

const URL = "https://api.example/mcp"
const headersOf = async (person: Person, name: string): Promise<unknown> => (await person.postern(["headers", name])).json()

/** A person with a server "weather" whose header is in the vault. */
async function withKey(header = "Authorization: Bearer -"): Promise<{ person: Person; old: string }> {
  const person = await makePerson()
  const old = newSecret()
  const { code } = await person.postern(["add", "weather", "--header", header, URL], { stdin: old })
  expect(code).toBe(0)
  return { person, old }
}

test.concurrent("1.3: the age of a key is shown by list and get", async () => {
  const { person, old } = await withKey()
  await using _ = person
  const before = Date.now()

  const fresh = await person.postern(["get", "weather", "--json"])
  const vault = JSON.parse(await person.read("vault.json"))
  vault.records[0].changedAtMs -= 90 * 86_400_000
  await person.write(`${person.folder}/vault.json`, vault)
  const listed = await person.postern(["list"])

  expect(Math.abs(Date.parse(fresh.json<{ since: string }>().since) - before)).toBeLessThan(60_000)
  expect(listed.stdout).toContain("90 days old")
  expect(listed.stdout).not.toContain(old)
})

test.concurrent("1.3: rotate replaces the whole value; a bare token keeps the scheme of the old one", async () => {
  const { person, old } = await withKey()
  await using _ = person
  const [bare, whole, other] = [newSecret(), newSecret(), newSecret()]

  const rotated = await person.postern(["rotate", "weather", "-"], { stdin: `${bare}\n` })
  expect(rotated).toMatchObject({ code: 0, stderr: "" })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${bare}` })

  await person.postern(["rotate", "weather", "-"], { stdin: `Token ${whole}\r\n` })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Token ${whole}` })

  const last = await person.postern(["rotate", "weather", "-", "--json"], { stdin: other })
  expect(last.json()).toMatchObject({ server: "weather", key: "Authorization", storedIn: "vault:weather.authorization", expiresAt: null })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Token ${other}` })

  for (const secret of [old, bare, whole, other]) {
    expect(await whereIs(secret, person)).toEqual([])
    for (const form of formsOf(secret)) expect(rotated.stdout + last.stdout).not.toContain(form)
  }
})

test.concurrent("1.3: a scheme that stands in the file is not doubled", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather", "--header", "Authorization: Bearer ${vault:shared-key}", URL])
  const [first, second] = [newSecret(), newSecret()]

  await person.postern(["vault", "set", "shared-key", "-"], { stdin: first })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${first}` })

  await person.postern(["rotate", "weather", "-"], { stdin: `bearer ${second}\n` })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${second}` })
})

test.concurrent("1.3: another scheme than the one that stands in the file is refused, and the old key stays", async () => {
  await using person = await makePerson()
  await person.added(["add", "weather", "--header", "Authorization: Bearer ${vault:shared-key}", URL])
  const [old, other] = [newSecret(), newSecret()]
  await person.postern(["vault", "set", "shared-key", "-"], { stdin: old })

  const refused = await person.postern(["rotate", "weather", "-"], { stdin: `Basic ${other}` })

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toContain("the entry says Bearer, and the new value begins with another scheme")
  expect(refused.stderr).not.toContain(other)
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${old}` })
})

test.concurrent("1.3: where a server has two secrets, --header chooses, and the other one stays", async () => {
  await using person = await makePerson()
  const [one, two, next] = [newSecret(), newSecret(), newSecret()]
  await person.postern(["add", "weather", "--header", `Authorization: Bearer ${one}`, "--header", `X-Api-Key: ${two}`, URL])

  const unclear = await person.postern(["rotate", "weather", "-"], { stdin: next })
  const unknown = await person.postern(["rotate", "weather", "-", "--header", "X-Nothing"], { stdin: next })
  const chosen = await person.postern(["rotate", "weather", "-", "--header", "x-api-key"], { stdin: next })

  expect(unclear).toMatchObject({ code: 2, stdout: "" })
  expect(unclear.stderr).toContain("2 secrets: Authorization, X-Api-Key")
  expect(unclear.stderr).toContain("postern rotate weather --header Authorization")
  expect(unknown.code).toBe(2)
  expect(unknown.stderr).toContain('The server "weather" has no secret named X-Nothing.')
  expect(chosen).toMatchObject({ code: 0, stderr: "" })
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${one}`, "x-api-key": next })
})

test.concurrent("1.3: the key of a local server and the key in an address are rotated too", async () => {
  await using person = await makePerson()
  const [phrase, next, raw] = ["correct horse battery", newSecret(), newSecret()]
  await person.postern(["add", "local", "--env", `DB_PASSWORD=${phrase}`, "--", "node", "server.js"])
  await person.postern(["add", "tiles", `https://tiles.example/mcp?key=${newSecret()}`])

  const local = await person.postern(["rotate", "local", "-"], { stdin: next })
  const tiles = await person.postern(["rotate", "tiles", "-"], { stdin: raw })
  const broken = await person.postern(["rotate", "tiles", "-"], { stdin: `${raw}&admin=1` })

  expect(local).toMatchObject({ code: 0, stderr: "" })
  expect(local.stdout).toContain("DB_PASSWORD is now key")
  expect(tiles).toMatchObject({ code: 0, stderr: "" })
  expect(tiles.stdout).toContain("next start")
  expect(broken).toMatchObject({ code: 2, stdout: "" })
  expect(broken.stderr).not.toContain(raw)
  const ages = (await person.postern(["list", "--json"])).json<{ servers: { since: string | null }[] }>().servers.map(({ since }) => since)
  expect(ages).toEqual([expect.any(String), expect.any(String)])
})

test.concurrent.each([
  ["nothing", ""],
  ["one line break", "\n"],
  ["two line breaks", "SECRET\n\n"],
  ["a scheme alone", "Bearer \n"],
  ["a blank at the end", "SECRET \n"],
  ["a control character", "SEC\u0001RET"],
  ["a line break inside", "SECRET\nX-Evil: 1"],
])("1.3: %s is refused as a new key, and the old one stays", async (_name, piped) => {
  const { person, old } = await withKey()
  await using _ = person
  const before = await person.read("vault.json")

  const refused = await person.postern(["rotate", "weather", "-"], { stdin: piped.replace("SECRET", newSecret()) })

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toContain("nothing was changed")
  expect(await person.read("vault.json")).toBe(before)
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${old}` })
})

test.concurrent("1.3: a new key as a word of the command line is refused, and not repeated", async () => {
  const { person, old } = await withKey()
  await using _ = person
  const typed = newSecret()

  const rotate = await person.postern(["rotate", "weather", typed])
  const set = await person.postern(["vault", "set", "weather.authorization", typed, "--json"])

  expect(rotate).toMatchObject({ code: 2, stdout: "" })
  expect(rotate.stderr).toContain("postern rotate weather -")
  expect(set).toMatchObject({ code: 2, stderr: "" })
  expect(rotate.stderr + set.stdout).not.toContain(typed)
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${old}` })
})

test.concurrent("1.3: without a terminal and without - the way to give the key is said", async () => {
  const { person } = await withKey()
  await using _ = person

  const refused = await person.postern(["rotate", "weather"], { stdin: newSecret() })

  expect(refused).toMatchObject({ code: 2, stdout: "" })
  expect(refused.stderr).toContain("next: postern rotate weather -")
})

test.concurrent("1.3: on a terminal the new key is asked for and not shown; Ctrl-C leaves the old one", async () => {
  const { person, old } = await withKey()
  await using _ = person
  const [half, next] = [newSecret(), newSecret()]
  const before = await person.read("vault.json")

  const interrupted = person.terminal(["rotate", "weather"])
  await interrupted.shows("New Authorization for weather")
  interrupted.type(`${half}\u0003`)
  expect(await interrupted.exited).toBe(1)
  expect(interrupted.seen()).not.toContain(half)
  expect(await person.read("vault.json")).toBe(before)
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${old}` })

  const answered = person.terminal(["rotate", "weather"])
  await answered.shows("New Authorization for weather")
  answered.type(`${next}\r`)
  expect(await answered.exited).toBe(0)
  for (const form of formsOf(next)) expect(answered.seen()).not.toContain(form)
  expect(await headersOf(person, "weather")).toEqual({ authorization: `Bearer ${next}` })
})
