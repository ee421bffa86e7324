/** Makes one TypeScript module runnable by a plain `node`, so that a test can race real processes on our own sources. */
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "tsdown"
import { common } from "../../tsdown.config.ts"

export interface CompiledModule extends AsyncDisposable {
  /** Absolute path of the JavaScript file: `node path`. */
  readonly path: string
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/**
 * Bundles a module with all of its own imports, with the settings of the real build (about 50 ms).
 *
 * @param source - the module, for example `new URL("./add-one.child.ts", import.meta.url)`
 * @returns its path; `await using` removes it again. It lies below `node_modules`, so that what is not bundled is still found.
 */
export async function compile(source: URL): Promise<CompiledModule> {
  const cache = join(root, "node_modules", ".cache")
  await mkdir(cache, { recursive: true })
  const outDir = await mkdtemp(join(cache, "child-"))
  const remove = (): Promise<void> => rm(outDir, { recursive: true, force: true, maxRetries: 5 })
  try {
    await build({
      ...common,
      config: false,
      cwd: root,
      entry: { child: fileURLToPath(source) },
      outDir,
      outputOptions: { codeSplitting: false }, // one file, which a test may take elsewhere
      dts: false,
      clean: false,
      report: false,
      logLevel: "silent",
    })
  } catch (error) {
    await remove()
    throw error
  }
  return { path: join(outDir, "child.js"), [Symbol.asyncDispose]: remove }
}
