import { type UserConfig, defineConfig } from "tsdown"

/** What every build has in common; a test that bundles one module uses it too. */
export const common: UserConfig = {
  format: "esm",
  platform: "node",
  target: "node20.19",
  fixedExtension: false,
  inputOptions: { resolve: { mainFields: ["module", "main"] } },
  deps: { alwaysBundle: ["commander", "valibot", "jsonc-parser", "eventsource-parser"] },
}

/**
 * The bridge starts with every start of a client, so what `run` loads is bundled into a few files: each file costs more than what
 * stands in it. Commands stay files of their own: each pays only for what it uses. Libraries that only a prompt needs are not
 * bundled.
 */
const program: UserConfig = {
  ...common,
  entry: { "bin/postern": "src/bin/postern.ts", index: "src/index.ts" },
  dts: false,
  clean: true,
  outputOptions: {
    codeSplitting: {
      groups: [
        { name: "commander", test: /node_modules\/commander/ },
        { name: "jsonc", test: /node_modules\/jsonc-parser|src\/config\/jsonc/ },
        { name: "house", test: /src\/(core|config|vault|auth|bridge)\/|node_modules\/(valibot|eventsource-parser)/ },
      ],
    },
  },
}

/** Apart from the program: the groups above would take the declarations in. */
const declarations: UserConfig = { ...common, entry: { index: "src/index.ts" }, dts: { emitDtsOnly: true }, clean: false }

export default defineConfig([program, declarations])
