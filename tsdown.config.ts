import { writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { type UserConfig, defineConfig } from "tsdown"

/** What every build has in common; a test that bundles one module uses it too. */
export const common: UserConfig = {
  format: "esm",
  platform: "node",
  target: "node20.19",
  fixedExtension: false,
  inputOptions: { resolve: { mainFields: ["module", "main"] } },
  deps: { alwaysBundle: ["commander", "valibot", "jsonc-parser", "eventsource-parser", "oauth4webapi"] },
}

const entry = fileURLToPath(new URL("src/bin/postern.ts", import.meta.url))

/** Finds out, once, which modules the start of `run` loads: whatever its entry imports statically. */
function startModules(): (id: string, importsOf: (id: string) => readonly string[]) => boolean {
  const found = new Set<string>()
  return (id, importsOf) => {
    if (found.size === 0) {
      for (const imported of importsOf(entry)) found.add(imported)
      for (const module of found) for (const imported of importsOf(module)) found.add(imported)
    }
    return found.has(id)
  }
}
const isStartModule = startModules()

/**
 * The programs. A client starts the bridge with each of its own starts, so what `run` loads is one file: each further file costs more
 * than what stands in it. All else, each other command too, is a file of its own that is loaded when it is used. Libraries that only
 * a prompt needs are not bundled.
 *
 * CommonJS, since Node.js 20 needs a tenth of a start less for it than for ES modules; white space is left out, since it is read at
 * every start too (docs/architecture.md, decision 4). Functions keep their names, so a stack still tells where it came from.
 */
const program: UserConfig = {
  ...common,
  format: "cjs",
  entry: {
    "bin/postern": entry,
    "bin/aws-mcp-proxy": "src/bin/aws-mcp-proxy.ts",
    "bin/aws-role-mcp-proxy": "src/bin/aws-role-mcp-proxy.ts",
  },
  dts: false,
  clean: true,
  minify: { mangle: { keepNames: true }, compress: true, codegen: { removeWhitespace: true } },
  inputOptions: { ...common.inputOptions, preserveEntrySignatures: false },
  outputOptions: {
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].cjs",
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        { name: (id, context) => (isStartModule(id, (module) => context.getModuleInfo(module)?.importedIds ?? []) ? "start" : null) },
        // What a bridge loads whose sign-in is fresh, in one file too; the steps of a sign-in lie elsewhere.
        { name: "oauth", test: /src\/auth\/oauth\/(oauth|good-grant|kept-grant|grant|diagnoses)\.ts$/ },
      ],
    },
  },
  hooks: {
    // The package is one of ES modules; the programs keep the names ending in .js that others write into their configurations.
    "build:done": () => writeFile(new URL("dist/bin/package.json", import.meta.url), '{ "type": "commonjs" }\n'),
  },
}

/** What the library promises: `postern`, `postern/bridge`, `postern/auth`. */
const faces = { index: "src/index.ts", bridge: "src/bridge/index.ts", auth: "src/auth/index.ts" }

/** The library, in ES modules. */
const library: UserConfig = { ...common, entry: faces, dts: false, clean: false }

/** Apart from the library: a chunk of the program would take the declarations in. */
const declarations: UserConfig = { ...common, entry: faces, dts: { emitDtsOnly: true }, clean: false }

export default defineConfig([program, library, declarations])
