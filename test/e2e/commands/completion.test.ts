/** Row 7: completion, in the shells themselves. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { chmod, chown, mkdir, readFile, readdir } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { spawn } from "@lydell/node-pty"
import { describe, expect, test } from "vitest"
import { type Person, makePerson } from "../../harness/postern.ts"

const DIST = process.env["POSTERN_DIST"] ?? fileURLToPath(new URL("../../../dist", import.meta.url))

/** How each shell is started without anybody's settings, and what its user would have in them. */
const SHELLS = {
  bash: {
    argv: ["--noprofile", "--norc", "-i"],
    settings: (home: string) => `bind 'set enable-bracketed-paste off'; source ${home}/.local/share/bash-completion/completions/postern`,
  },
  zsh: {
    argv: ["-f", "-i"],
    settings: (home: string) => `fpath=(${home}/.zfunc $fpath); autoload -Uz compinit && compinit -u -d ${home}/.zcompdump`,
  },
  fish: { argv: ["--no-config", "-i"], settings: (home: string) => `source ${home}/.config/fish/completions/postern.fish` },
} as const
type Shell = keyof typeof SHELLS

const isInstalled = (shell: Shell): boolean => (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, shell)))

interface Session extends Disposable {
  seen(): string
  /** Types, and waits until something has been shown since. */
  type(text: string, until: string | RegExp): Promise<void>
}

/** A person whose PATH has a `postern`. */
async function withProgram(): Promise<Person> {
  const person = await makePerson()
  await chmod(
    await person.write(join(person.home, "bin/postern"), `#!/bin/sh\nexec '${process.execPath}' '${DIST}/bin/postern.js' "$@"\n`),
    0o755,
  )
  return person
}

function openShell(shell: Shell, person: Person): Session {
  const env = { ...person.env, PATH: `${person.home}/bin:${process.env["PATH"]}`, TERM: "dumb", PS1: "ready> " }
  const pty = spawn(shell, [...SHELLS[shell].argv], { env, cwd: person.project, cols: 250, rows: 50 })
  let seen = ""
  const watchers = new Set<() => void>()
  pty.onData((text) => {
    seen += text
    for (const watcher of watchers) watcher()
  })
  return {
    seen: () => seen,
    type: (text, until) => {
      const from = seen.length
      pty.write(text)
      return new Promise((done, reject) => {
        const late = setTimeout(
          () => reject(new Error(`${shell} did not show ${String(until)} after ${JSON.stringify(text)}: ${seen}`)),
          20_000,
        )
        const look = (): void => {
          const since = seen.slice(from)
          if (typeof until === "string" ? !since.includes(until) : !until.test(since)) return
          watchers.delete(look)
          clearTimeout(late)
          done()
        }
        watchers.add(look)
        look()
      })
    },
    [Symbol.dispose]: () => pty.kill("SIGKILL"),
  }
}

describe.each(Object.keys(SHELLS) as Shell[])("in %s", (shell) => {
  test.skipIf(!isInstalled(shell))(`7: ${shell} completes a command and a server, and runs what it has completed`, async () => {
    await using person = await withProgram()
    await person.added(["add", "weather-service", "https://w.example/"], ["add", "files", "--", "true"])
    const { code } = await person.postern(["completion", shell, "--install"])
    using session = openShell(shell, person)
    await session.type(`${SHELLS[shell].settings(person.home)}\recho set"-"up\r`, "set-up")

    await session.type("postern disa\t", /disable/)
    await session.type("wea\t", /weather-service|ther-service/)
    await session.type("\r", '"weather-service" is disabled now')

    expect(code).toBe(0)
    expect(JSON.parse(await person.read("config.json"))).toMatchObject({ mcpServers: { "weather-service": { enabled: false } } })
  })
})

test("7: where a shell is not here, the tests above say so by being skipped; bash is here", () => {
  expect(isInstalled("bash")).toBe(true)
  expect(() => execFileSync("bash", ["-n"], { input: "" })).not.toThrow()
})

test.skipIf(process.geteuid?.() !== 0)("with sudo, --install makes nothing in the home of the person", async () => {
  await using person = await makePerson()
  const home = join(person.home, "theirs")
  await mkdir(home)
  await chown(home, 4242, 4242)

  const outcomes = await Promise.all(
    ["bash", "zsh", "fish"].map((shell) => person.postern(["completion", shell, "--install", "--json"], { env: { HOME: home } })),
  )

  expect(outcomes.map(({ code }) => code)).toEqual([4, 4, 4])
  for (const one of outcomes) expect(one.json()).toMatchObject({ error: { code: "file-not-private" } })
  expect(await readdir(home)).toEqual([])
})

test.concurrent("7: --install says where the script is, and what the shell still needs", async () => {
  await using person = await makePerson()
  const env = { ZDOTDIR: join(person.home, "z"), XDG_DATA_HOME: join(person.home, "data") }

  const [bash, zsh, fish] = await Promise.all(
    (["bash", "zsh", "fish"] as const).map((shell) => person.postern(["completion", shell, "--install", "--json"], { env })),
  )
  const again = await person.postern(["completion", "zsh", "--install"], { env })
  const printed = await person.postern(["completion", "zsh"])
  const unknown = await person.postern(["completion", "tcsh"])

  expect(bash?.json()).toMatchObject({ file: `${person.home}/data/bash-completion/completions/postern`, replaced: false })
  expect(zsh?.json()).toMatchObject({ file: `${person.home}/.zfunc/_postern`, needs: expect.stringContaining(`${env.ZDOTDIR}/.zshrc`) })
  expect(fish?.json()).toMatchObject({ file: `${person.home}/.config/fish/completions/postern.fish`, needs: null })
  expect(again.stdout).toMatch(/^The completion for zsh is in .*\/\.zfunc\/_postern now\.\n {2}next: add to /)
  expect(await readFile(join(person.home, ".zfunc/_postern"), "utf8")).toBe(printed.stdout)
  expect([unknown.code, unknown.stderr]).toMatchObject([2, expect.stringContaining("bash, zsh, fish")])
})
