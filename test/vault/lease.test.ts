import { readFile, readdir, writeFile } from "node:fs/promises"
import { expect, test } from "vitest"
import { writeFileAtomic } from "../../src/core/atomic-file.ts"
import { systemClock } from "../../src/core/clock.ts"
import { type Decision, type SharedThing, changeUnderLease } from "../../src/vault/lease.ts"
import { type TestFolder, makeFolder } from "../core/folder.ts"

/** A grant as the next floor will have it: a token that can be used once to get the next one. */
interface Grant {
  readonly revision: number
  readonly token: string
}

const terms = { clock: systemClock, waitMs: 10_000, holdMs: 60_000 }

async function storeGrant(folder: TestFolder, key?: string): Promise<SharedThing<Grant>> {
  const path = folder.at(`grant-${key ?? "file"}`)
  await writeFile(path, JSON.stringify({ revision: 1, token: "old" }))
  return {
    file: folder.at("vault.json"),
    ...(key === undefined ? {} : { key }),
    read: async () => JSON.parse(await readFile(path, "utf8")) as Grant,
    async write(next, passFence) {
      await writeFileAtomic(path, JSON.stringify(next), { beforeRename: passFence })
      return next.revision
    },
  }
}

const renew = (grant: Grant): Decision<Grant, string> => ({ next: { revision: grant.revision + 1, token: "new" }, result: "renewed" })

test("3.4: of ten that want to renew one grant, one does, and the others use its result", async () => {
  await using folder = await makeFolder()
  const grant = await storeGrant(folder, "issuer|client|account")
  let exchanges = 0

  const results = await Promise.all(
    Array.from({ length: 10 }, () =>
      changeUnderLease(
        grant,
        async (present) => {
          if (present.token === "new") return { result: "found renewed" }
          exchanges++
          await systemClock.sleep(20)
          return renew(present)
        },
        terms,
      ),
    ),
  )

  expect(exchanges).toBe(1)
  expect(results.toSorted()).toEqual([...Array(9).fill("found renewed"), "renewed"])
  expect(await grant.read()).toEqual({ revision: 2, token: "new" })
})

test("a holder whose lease was taken over writes nothing", async () => {
  await using folder = await makeFolder()
  const grant = await storeGrant(folder)

  const slow = changeUnderLease(
    grant,
    async (present) => {
      const lock = JSON.parse(await readFile(folder.at("vault.json.lock"), "utf8")) as object
      await writeFile(folder.at("vault.json.lock"), JSON.stringify({ ...lock, nonce: "ffeeddccbbaa9988" }))
      return renew(present)
    },
    terms,
  )

  await expect(slow).rejects.toMatchObject({ diagnosis: { code: "lock-lost" } })
  expect(await grant.read()).toEqual({ revision: 1, token: "old" })
})

test("a change that came around the lease is not overwritten", async () => {
  await using folder = await makeFolder()
  const grant = await storeGrant(folder)

  const overtaken = changeUnderLease(
    grant,
    async (present) => {
      await writeFile(folder.at("grant-file"), JSON.stringify({ revision: 5, token: "of somebody else" }))
      return renew(present)
    },
    terms,
  )

  await expect(overtaken).rejects.toMatchObject({ diagnosis: { code: "vault-overtaken" } })
  expect(await grant.read()).toEqual({ revision: 5, token: "of somebody else" })
})

test("a signal ends the wait for a lease, and never a change that has begun", async () => {
  await using folder = await makeFolder()
  const grant = await storeGrant(folder)
  const stop = new AbortController()

  const begun = changeUnderLease(
    grant,
    async (present) => {
      stop.abort(new Error("enough"))
      await systemClock.sleep(30)
      return renew(present)
    },
    terms,
    stop.signal,
  )
  await systemClock.sleep(15)
  const waiting = changeUnderLease(grant, async (present) => renew(present), terms, stop.signal)

  await expect(waiting).rejects.toThrow("enough")
  expect(await begun).toBe("renewed")
  expect(await grant.read()).toEqual({ revision: 2, token: "new" })
})

test("a decision that fails writes nothing, and lets the next one in", async () => {
  await using folder = await makeFolder()
  const grant = await storeGrant(folder)

  const failing = changeUnderLease(grant, () => Promise.reject(new RangeError("the server is down")), terms)

  await expect(failing).rejects.toThrow(RangeError)
  expect(await grant.read()).toEqual({ revision: 1, token: "old" })
  expect(await changeUnderLease(grant, async (present) => renew(present), { ...terms, waitMs: 0 })).toBe("renewed")
  expect(await readdir(folder.path)).toEqual(["grant-file"])
})

test("the leases of two grants do not wait for each other, whatever their keys hold", async () => {
  await using folder = await makeFolder()
  const [one, two] = [await storeGrant(folder, "a"), { ...(await storeGrant(folder, "b")), key: "../../b\0" }]

  const result = await changeUnderLease(
    one,
    async (present) => ({ ...renew(present), result: await changeUnderLease(two, async (other) => renew(other), { ...terms, waitMs: 0 }) }),
    terms,
  )

  expect(result).toBe("renewed")
})
