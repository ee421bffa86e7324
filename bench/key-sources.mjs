/** Postern with the key of its vault in each other place that it may lie in: what opening the vault adds to a start. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { makePostern } from "./contenders.mjs"

const servedWithinMs = 5_000

/** Makes them for one server. A keychain that this machine has not is left out. `close` removes what they wrote and started. */
export async function makeKeySources(url) {
  const passphrase = withPassphrase(makePostern("passphrase", url))
  const keychain = hasKeyring() ? await withKeychain(makePostern("keychain", url)) : undefined
  return {
    passphrase: passphrase.contender,
    keychain: keychain?.contender,
    close: () => [passphrase, keychain].forEach((made) => made?.remove()),
  }
}

function withPassphrase(postern) {
  const file = join(postern.home, "passphrase")
  writeFileSync(file, "correct horse battery staple\n", { mode: 0o600 })
  postern.env.POSTERN_PASSPHRASE_FILE = file
  postern.run("vault", "move", "--to", "passphrase")
  return postern
}

/** In a desktop session of its own: a bus, and an unlocked keyring. */
async function withKeychain({ contender, home, env, run, remove }) {
  const bus = `unix:path=${join(home, "bus")}`
  Object.assign(env, { XDG_RUNTIME_DIR: home, XDG_DATA_HOME: join(home, "share"), DBUS_SESSION_BUS_ADDRESS: bus })
  const options = { env, stdio: ["pipe", "pipe", "ignore"] }
  const configuration = join(home, "bus.conf")
  writeFileSync(configuration, busConfiguration(bus))
  const daemon = spawn("dbus-daemon", [`--config-file=${configuration}`, "--nofork", "--print-address"], options)
  await once(daemon.stdout, "data")
  const keyring = spawn("gnome-keyring-daemon", ["--foreground", "--components=secrets", "--unlock"], options)
  keyring.stdin.end("the password of this login")
  const end = () => {
    for (const child of [keyring, daemon]) child.kill("SIGKILL")
    remove()
  }
  try {
    await untilDone(() => run("vault", "move", "--to", "keychain"))
  } catch (error) {
    end()
    throw error
  }
  return { contender, remove: end }
}

/** Without the services of the system: the bus would start a locked keyring of its own. */
const busConfiguration = (address) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>${address}</listen>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
`

/** A keyring that was started a moment ago is not served yet. */
async function untilDone(attempt) {
  for (const untilMs = Date.now() + servedWithinMs; ; await sleep(200)) {
    try {
      return attempt()
    } catch (error) {
      if (Date.now() > untilMs) throw error
    }
  }
}

function hasKeyring() {
  return ["dbus-daemon", "gnome-keyring-daemon"].every((tool) => spawnSync("sh", ["-c", 'command -v "$0"', tool]).status === 0)
}
