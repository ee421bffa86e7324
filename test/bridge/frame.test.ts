import fc from "fast-check"
import { expect, test } from "vitest"
import { NotAMessage, cancelledId, idOfUnread, readFrames } from "../../src/bridge/frame.ts"
import { elements, memberText, members } from "../../src/bridge/json-text.ts"

const frames = (text: string) => readFrames(Buffer.from(text))

test("the id stays JSON text: a text and a number differ, and no integer is rounded", () => {
  const ids = ['"7"', "7", "12345678901234567890", "1.5", '"\\u0041"'].map(
    (id) => frames(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`)[0]?.id,
  )

  expect(ids).toEqual(['"7"', "7", "12345678901234567890", "1.5", '"A"'])
})

test("a message keeps its bytes, and line breaks between its tokens become blanks", () => {
  const [frame] = frames('{\r\n "jsonrpc": "2.0",\n "id": 1,\n "result": {"text": "a\\nb"}\n}')

  expect(frame?.bytes.toString()).toBe('{   "jsonrpc": "2.0",  "id": 1,  "result": {"text": "a\\nb"} }')
  expect(frame?.kind).toBe("response")
})

test("one byte order mark before a text is passed over (RFC 8259 section 8.1)", () => {
  const [frame] = frames('\uFEFF{"jsonrpc":"2.0","id":1,"method":"ping"}')

  expect(frame).toMatchObject({ id: "1", bytes: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}') })
  expect(() => frames("\uFEFF\uFEFF{}")).toThrow(NotAMessage)
})

test("a batch falls into its messages, each with its own text (revision 2025-03-26)", () => {
  const batch = frames(
    '[ {"jsonrpc":"2.0","id":1,"method":"a","n":10000000000000000001} , {"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","id":2,"error":{}} ]',
  )

  expect(batch.map(({ kind, bytes }) => [kind, bytes.toString()])).toEqual([
    ["request", '{"jsonrpc":"2.0","id":1,"method":"a","n":10000000000000000001}'],
    ["notification", '{"jsonrpc":"2.0","method":"b"}'],
    ["response", '{"jsonrpc":"2.0","id":2,"error":{}}'],
  ])
})

test.each([
  "",
  "{",
  "[]",
  "null",
  "7",
  '"x"',
  "[1]",
  "{}",
  '{"id":1}',
  '{"id":{},"method":"x"}',
  '{"id":1,"method":3}',
  '{"id":1,"method":""}',
])("%j is not a message", (text) => {
  expect(() => frames(text)).toThrow(NotAMessage)
})

test("a cancel names its request as the request named itself", () => {
  const cancel = (id: string) => {
    const [frame] = frames(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x","requestId":${id}}}`)
    return frame && cancelledId(frame)
  }

  expect([cancel('"7"'), cancel("7"), cancel("12345678901234567890")]).toEqual(['"7"', "7", "12345678901234567890"])
  expect(cancelledId(frames('{"jsonrpc":"2.0","method":"notifications/cancelled"}')[0]!)).toBeUndefined()
})

test.each([
  ["7", "7"],
  ["-12345678901234567890", "-12345678901234567890"],
  ['"a"', '"a"'],
  ['"a\\u0041\\/\\""', '"aA/\\""'],
  ["007", "null"],
  ["-", "null"],
  ['"C:\\dir"', "null"],
  ['"\\u12"', "null"],
  ['"a\tb"', "null"],
])("the id %s of a text that cannot be read is told as %s, as a frame spells it or not at all", (written, id) => {
  const ids = [`{"jsonrpc":"2.0","id":${written},"method":"ping"`, `{"jsonrpc":"2.0","method":"ping",,"id":${written}}`].map((text) =>
    idOfUnread(Buffer.from(text)),
  )

  expect(ids).toEqual([id, id])
})

test("the pieces of any JSON text are the ones that JSON.parse sees", () => {
  const spaced = fc.tuple(fc.jsonValue(), fc.constantFrom(0, 1, 3)).map(([value, indent]) => JSON.stringify(value, null, indent))
  const objects = fc.dictionary(fc.string(), fc.jsonValue()).filter((object) => !Object.hasOwn(object, "__proto__"))

  fc.assert(
    fc.property(objects, fc.constantFrom(0, 2), (object, indent) => {
      const text = JSON.stringify(object, null, indent)
      const pieces = [...members(text)].map(({ name, value }) => [name, JSON.parse(value)])
      expect(pieces).toEqual(Object.entries(JSON.parse(text) as object))
    }),
  )
  fc.assert(
    fc.property(fc.array(spaced), (values) => {
      expect(Array.from(elements(`[${values.join(" , ")}]`), ({ value }) => value)).toEqual(values)
    }),
  )
})

test("of a member that stands twice the last one counts, as in JSON.parse", () => {
  expect(memberText('{"id":1,"x":{"id":3},"id":2}', "id")).toBe("2")
})

test.each(['""', '"a"', '"{}"', '["a","b"]', "[]", "null", "7", " "])("what is no object, as %s, has no members", (text) => {
  expect([...members(text)]).toEqual([])
})
