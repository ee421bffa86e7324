/** A process of its own that adds one server: `node child FILE NAME`. */
import { setServer } from "../../src/config/edit.ts"
import { systemClock } from "../../src/core/clock.ts"

const [file = "", name = ""] = process.argv.slice(2)
const entry = { url: `https://${name}.example/` }
await setServer({ scope: "user", file }, { name, entry }, systemClock, new AbortController().signal)
