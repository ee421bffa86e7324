/** The key is derived from a passphrase by scrypt (RFC 7914). Nothing that opens the vault is stored anywhere. */
import { isUtf8 } from "node:buffer"
import { randomBytes, scrypt } from "node:crypto"
import { promisify } from "node:util"
import { PosternError } from "../../core/diagnosis.ts"
import type { Environment } from "../../core/places.ts"
import { readPrivateFile } from "../../core/read-file.ts"
import { keyParamsRefused, passphraseMistyped, passphraseNeeded, passphraseUnusable } from "./diagnoses.ts"
import type { KeyParams, KeySource, MasterKey } from "./key-source.ts"
import { KEY_BYTES } from "./key-text.ts"

/** Where a passphrase may come from. */
export interface PassphraseTerms {
  /** What it opens, as questions name it: `the vault`. */
  readonly of: string
  /** The variable that names a private file with the passphrase. Asks nobody, so it wins. */
  readonly variable: string
  readonly env: Environment
  /** What should have been given where another one was. */
  readonly right: string
  /** Asks a person without showing what is typed; absent where there is nobody. */
  readonly ask?: ((question: string) => Promise<string>) | undefined
}

/** About 0.4 s and 128 MiB for each guess. They stand in the vault, so that they can grow. */
const COST = { N: 2 ** 17, r: 8, p: 1 } as const
/** The header is read before anything proves it: 1 GiB and some seconds are the most that it can ask for. */
const MOST = { N: 2 ** 20, memoryBytes: 2 ** 30, p: 4 } as const
const LEAST_N = 2 ** 14
const SALT_BYTES = 16

/** The key source that somebody knows. */
export function passphraseKey(terms: PassphraseTerms): KeySource {
  const { of, variable, right, ask } = terms
  const file = fileOf(terms)
  let fresh: Promise<string> | undefined
  let made: { readonly params: KeyParams; readonly key: MasterKey } | undefined

  /** Asked once, though both `verify` and `create` want it. */
  const newPassphrase = (): Promise<string> => {
    fresh ??= readNew(terms)
    fresh.catch(() => (fresh = undefined))
    return fresh
  }

  return {
    name: "passphrase",
    place: file === undefined ? "a passphrase that is not stored" : `the passphrase in ${file}`,
    key: file === undefined ? "passphrase that was typed" : `passphrase in ${file}`,
    opens: of,
    protectsFrom: [
      "other users of this machine",
      "a stolen disk",
      "other programs of this user (while it is not typed)",
      "an accidental commit or backup of the vault",
    ],
    doesNotProtectFrom: [
      "whoever guesses it (a short one is found from a copy of the vault)",
      "a program that sees what is typed or what a running bridge remembers",
      ...(file === undefined ? [] : [`whoever can read ${file}`]),
    ],
    // Not "put it into that file": the file may be another thing's, and the variable is what is wrong.
    mend:
      file === undefined ? `run the command again with ${right}` : `let ${variable} name a private file (mode 0600) that holds ${right}`,
    isRenewable: file === undefined && ask !== undefined,
    async verify() {
      await newPassphrase()
    },
    async create() {
      const params = { kdf: "scrypt", ...COST, salt: randomBytes(SALT_BYTES).toString("base64") }
      made = { params, key: await derive(await newPassphrase(), params) }
      fresh = undefined
      return made
    },
    async load(params) {
      if (made !== undefined && JSON.stringify(made.params) === JSON.stringify(params)) return made.key
      checkParams(params) // before anybody types anything
      return derive(await readPresent(terms), params)
    },
    remove: async () => undefined, // it is in nobody's store
  }
}

/** A variable that is empty names nothing. */
const fileOf = ({ env, variable }: PassphraseTerms): string | undefined => env[variable] || undefined

async function readPresent(terms: PassphraseTerms): Promise<string> {
  const { of, variable, env, ask } = terms
  const file = fileOf(terms)
  if (file !== undefined) return readPassphraseFile(file, variable)
  if (ask === undefined) throw new PosternError(passphraseNeeded({ of, variable, value: env[variable] }))
  return ask(`Passphrase of ${of} (it is not shown)`)
}

async function readNew(terms: PassphraseTerms): Promise<string> {
  const { of, ask } = terms
  if (fileOf(terms) !== undefined || ask === undefined) return readPresent(terms)
  const first = await ask(`New passphrase of ${of} (it is not shown)`)
  // What is mistyped here is lost for good.
  if ((await ask("The same again")) === first) return first
  throw new PosternError(passphraseMistyped({ of }))
}

async function readPassphraseFile(path: string, variable: string): Promise<string> {
  const bytes = await readPrivateFile(path)
  const fail = (fault: string): PosternError => new PosternError(passphraseUnusable({ path, variable, fault }))
  if (bytes === undefined) throw fail("there is no such file")
  if (!isUtf8(bytes)) throw fail("it is not UTF-8 text")
  const passphrase = bytes.toString("utf8").replace(/\r?\n$/, "")
  if (passphrase === "") throw fail("it is empty")
  return passphrase
}

async function derive(passphrase: string, params: KeyParams): Promise<MasterKey> {
  const { N, r, p, salt } = checkParams(params)
  const maxmem = 256 * N * r // twice of what it takes: the limit of Node.js is not exact
  // The same letters can come as different bytes from another keyboard or system (RFC 8265 section 4.2.2).
  const bytes = Buffer.from(passphrase.normalize("NFC"), "utf8")
  return (await promisify<Buffer, Buffer, number, object, Buffer>(scrypt)(bytes, salt, KEY_BYTES, { N, r, p, maxmem })) satisfies MasterKey
}

interface ScryptParams {
  readonly N: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
}

/** @throws {PosternError} `vault-key-params-refused` for what a hostile or damaged header asks */
function checkParams({ kdf, N, r, p, salt }: KeyParams): ScryptParams {
  const refuse = (fault: string): PosternError => new PosternError(keyParamsRefused({ fault }))
  if (kdf !== "scrypt") throw refuse(`key derivation ${String(kdf)}`)
  if (!isWhole(N) || !isWhole(r) || !isWhole(p)) throw refuse(`scrypt with N=${N} r=${r} p=${p}`)
  const isPowerOfTwo = Number.isInteger(Math.log2(N))
  if (!isPowerOfTwo || N < LEAST_N || N > MOST.N || 128 * N * r > MOST.memoryBytes || p > MOST.p)
    throw refuse(`scrypt with N=${N} r=${r} p=${p}`)
  const bytes = Buffer.from(typeof salt === "string" ? salt : "", "base64")
  if (bytes.length < SALT_BYTES || bytes.length > 4 * SALT_BYTES) throw refuse(`a salt of ${bytes.length} bytes`)
  return { N, r, p, salt: bytes }
}

function isWhole(value: string | number | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1
}
