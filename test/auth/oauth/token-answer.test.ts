import * as fc from "fast-check"
import { expect, test } from "vitest"
import { readTokens } from "../../../src/auth/oauth/token-answer.ts"

const at = { issuer: "https://login.example.com", clientId: "client", nowMs: 1_000_000 }
const good = { access_token: "at-1", token_type: "Bearer" }
const refused = (field: string) =>
  expect.objectContaining({
    diagnosis: expect.objectContaining({ code: "oauth-token-invalid", cause: expect.stringContaining(field) as string }) as object,
  })
const idToken = (claims: object) => ["e30", Buffer.from(JSON.stringify(claims)).toString("base64url"), "x"].join(".")

test.each<[object, object]>([
  [good, { accessToken: "at-1" }],
  [
    { ...good, token_type: "bearer", expires_in: 60 },
    { accessToken: "at-1", expiresAtMs: 1_060_000 },
  ],
  [
    { ...good, expires_in: "60" },
    { accessToken: "at-1", expiresAtMs: 1_060_000 },
  ],
  [{ ...good, expires_in: 0 }, { accessToken: "at-1" }], // renewed at every call, if it were believed
  [{ ...good, expires_in: -1 }, { accessToken: "at-1" }],
  [
    { ...good, expires_in: 1e12 },
    { accessToken: "at-1", expiresAtMs: 1_000_000 + 366 * 24 * 3600 * 1000 },
  ],
  [{ ...good, refresh_token: null, scope: null, expires_in: null }, { accessToken: "at-1" }],
  // Refused as a whole, it would take the refresh token with it, which the server has just put in the place of the old one.
  [
    { ...good, refresh_token: "rt", scope: ["a"], expires_in: "soon" },
    { accessToken: "at-1", refreshToken: "rt" },
  ],
  [{ ...good, expires_in: {} }, { accessToken: "at-1" }],
  [
    { ...good, refresh_token: "rt", scope: " a  b " },
    { accessToken: "at-1", refreshToken: "rt", scopes: ["a", "b"] },
  ],
  [
    { ...good, id_token: idToken({ iss: at.issuer, aud: "client", sub: "alice" }) },
    { accessToken: "at-1", subject: "alice" },
  ],
  [
    { ...good, id_token: idToken({ iss: at.issuer, aud: ["x", "client"], sub: "alice" }) },
    { accessToken: "at-1", subject: "alice" },
  ],
  [{ ...good, id_token: idToken({ iss: "https://evil.example", aud: "client", sub: "alice" }) }, { accessToken: "at-1" }],
  [{ ...good, id_token: idToken({ iss: at.issuer, aud: "another", sub: "alice" }) }, { accessToken: "at-1" }],
  [{ ...good, id_token: "nonsense" }, { accessToken: "at-1" }],
])("%o is read as %o", (answer, tokens) => {
  expect(readTokens(answer, at)).toEqual(tokens)
})

test.each<[unknown, string]>([
  ["text", "JSON object"],
  [[], "JSON object"],
  [{}, "access_token"],
  [{ ...good, access_token: "" }, "access_token"],
  [{ ...good, access_token: "a\r\nX-Injected: 1" }, "access_token"],
  [{ ...good, access_token: "a b" }, "access_token"],
  [{ ...good, access_token: "tökén" }, "access_token"],
  [{ ...good, access_token: "x".repeat(70_000) }, "access_token"],
  [{ ...good, token_type: undefined }, "token_type"],
  [{ ...good, token_type: "mac" }, "token_type"],
  [{ ...good, token_type: "DPoP" }, "token_type"],
  [{ ...good, refresh_token: "r\n" }, "refresh_token"],
])("%o is no token, and what is at fault is named", (answer, field) => {
  expect(() => readTokens(answer, at)).toThrow(refused(field))
})

test("whatever a token endpoint answers: a token that fits into a header and ends within a year, or a diagnosis without its value", () => {
  const value = fc.oneof(
    fc.string(),
    fc.double(),
    fc.constant(null),
    fc.boolean(),
    fc.array(fc.string()),
    fc.constantFrom("Bearer", "at-1"),
  )
  // Weighted, so that many are taken, and many are refused for one member alone.
  const answer = fc.record(
    {
      access_token: fc.oneof({ weight: 3, arbitrary: fc.string({ maxLength: 4 }) }, { weight: 1, arbitrary: value }),
      token_type: fc.oneof({ weight: 4, arbitrary: fc.constant("bearer") }, { weight: 1, arbitrary: value }),
      expires_in: value,
      refresh_token: value,
      scope: value,
      id_token: value,
    },
    { requiredKeys: ["access_token", "token_type"] },
  )
  let taken = 0
  fc.assert(
    fc.property(answer, (json) => {
      try {
        const { accessToken, refreshToken, expiresAtMs = 0 } = readTokens(json, at)
        taken++
        for (const token of [accessToken, refreshToken ?? "x"]) expect(token).toMatch(/^[\x21-\x7e]+$/)
        expect(Number.isSafeInteger(expiresAtMs) && expiresAtMs <= at.nowMs + 366 * 24 * 3600 * 1000).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ diagnosis: { code: "oauth-token-invalid" } })
      }
    }),
  )
  expect(taken).toBeGreaterThan(0)
})
