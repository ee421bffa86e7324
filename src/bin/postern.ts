#!/usr/bin/env node
/** The command `postern`: streams in, `main`, exit code out. */
import { main } from "../cli/main.ts"
import { live } from "./life.ts"

void live(new URL("../../package.json", import.meta.url), main)
