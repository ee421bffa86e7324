// Answers the three questions for every server: where is the secret, how long does it last, who is it.
//   node list-servers.mjs [FILE]
import { describeServers, loadServers } from "postern"
import { openTools } from "postern/auth"

const [configFile] = process.argv.slice(2)
const configuration = await loadServers(configFile === undefined ? {} : { configFile })
for (const { name, identity, storedIn, expiresAt, problem } of await describeServers(configuration, openTools())) {
  console.log([name, identity?.subject ?? problem?.code, storedIn.join(", ") || "nowhere", expiresAt ?? "no known end"].join("\t"))
}
