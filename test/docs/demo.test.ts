/** What the README has a reader start before anything else is there. */
import { spawnSync } from "node:child_process"
import { cp } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { makeFolder } from "../core/folder.ts"
import { root } from "./pages.ts"

test("the server of the demo says what is missing where nothing was installed yet", async () => {
  await using folder = await makeFolder()
  await cp(join(root, "examples/demo"), folder.at("examples/demo"), { recursive: true })

  const started = spawnSync(process.execPath, [folder.at("examples/demo/guarded-server.mjs")], { input: "", encoding: "utf8" })

  expect(started).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "The server behind the door is not installed yet; `npm run demo` does that.\n",
  })
})
