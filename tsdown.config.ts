import { defineConfig } from "tsdown"

/**
 * The bridge starts on every start of a client, so what `run` loads is bundled, and split: a command pays only for the
 * chunks that it uses. Libraries that only a prompt needs stay outside, and are found in node_modules.
 */
export default defineConfig({
  entry: { "bin/postern": "src/bin/postern.ts", index: "src/index.ts" },
  format: "esm",
  platform: "node",
  target: "node20.19",
  fixedExtension: false,
  dts: true,
  clean: true,
  deps: { alwaysBundle: ["commander", "valibot", "jsonc-parser", "eventsource-parser"] },
  inputOptions: { resolve: { mainFields: ["module", "main"] } },
})
