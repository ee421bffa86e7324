import { expect, test } from "vitest"
import { findPlaces } from "../../src/core/places.ts"

test("7: POSTERN_HOME moves everything that is written into one folder", () => {
  expect(findPlaces({ POSTERN_HOME: "/p", HOME: "/home/me" }, "linux")).toEqual({
    config: "/p/config.json",
    vault: "/p/vault.json",
    vaultKey: "/p/vault.key",
    trust: "/p/trust.json",
    memory: "/p/memory",
    awsTrust: "/p/aws-trust",
  })
})

test("7: without it the XDG folders are used, the vault and its key apart", () => {
  expect(findPlaces({ HOME: "/home/me", XDG_CONFIG_HOME: "/xdg/config", XDG_DATA_HOME: "relative" }, "linux")).toEqual({
    config: "/xdg/config/postern/config.json",
    vault: "/home/me/.local/share/postern/vault.json", // a relative value is ignored, as the specification asks
    vaultKey: "/home/me/.local/state/postern/vault.key",
    trust: "/home/me/.local/state/postern/trust.json",
    memory: "/home/me/.local/state/postern/memory",
    awsTrust: "/home/me/.local/state/postern/aws-trust",
  })
})
