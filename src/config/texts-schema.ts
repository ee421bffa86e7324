/** Objects whose members are texts: headers, variables, tags. */
import * as v from "valibot"
import { isObject } from "../core/json.ts"

/** valibot leaves these names out of a record in silence. */
const LEFT_OUT = ["__proto__", "prototype", "constructor"]

/** What the members may be. */
interface Members {
  readonly names?: v.GenericSchema<string>
  readonly texts?: v.GenericSchema<string>
}

/** @param right - what the whole would have to be; valibot's record takes a list too */
export function textsSchema(
  right: string,
  { names = v.string(), texts = v.string("a text in quotes") }: Members = {},
): v.GenericSchema<unknown, Record<string, string>> {
  return v.pipe(
    v.custom<Record<string, string>>(isObject, right), // what its members are is asked below
    v.check((object) => !LEFT_OUT.some((name) => Object.hasOwn(object, name)), `other names than ${LEFT_OUT.join(", ")}`),
    v.record(names, texts),
  )
}
