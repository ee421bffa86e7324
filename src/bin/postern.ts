#!/usr/bin/env node
/** The command `postern`: streams in, `main`, exit code out. */
import { readFileSync } from "node:fs"
import { thisProcess } from "../cli/create-context.ts"
import { main } from "../cli/main.ts"

const PARENT_CHECK_MS = 2_000
const LAST_WORDS_MS = 1_000

const end = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end.abort())
// A client that was killed takes its pipes with it; where something else holds them, its absence still shows.
const parent = process.ppid
setInterval(() => process.ppid !== parent && end.abort(), PARENT_CHECK_MS).unref()

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string } // our own file

async function run(): Promise<void> {
  const exitCode = await main(thisProcess(version, end.signal))
  // What a client holds open must not keep us alive: the result is out, or nobody reads it.
  process.stdout.write("", () => process.exit(exitCode))
  setTimeout(() => process.exit(exitCode), LAST_WORDS_MS)
}
void run()
