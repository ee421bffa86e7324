import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { compile } from "./compile.ts"

test("a compiled module runs under a plain node, with the sources that it imports", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postern-compile-"))
  const source = join(folder, "child.ts")
  const places = new URL("../../src/core/places.ts", import.meta.url).pathname
  await writeFile(
    source,
    `import { findPlaces } from ${JSON.stringify(places)}\nconst env: { POSTERN_HOME: string } = { POSTERN_HOME: "/x" }\nprocess.stdout.write(findPlaces(env).config)\n`,
  )

  await using child = await compile(pathToFileURL(source))
  const { stdout } = await promisify(execFile)(process.execPath, [child.path])

  expect(stdout).toBe(join("/x", "config.json"))
  await rm(folder, { recursive: true })
})
