/** What a person should know of who signs, though nothing fails. */
import { defineDiagnosis } from "../../core/diagnosis.ts"
import { quote } from "../../core/redact.ts"
import type { Caller } from "./sts.ts"

/** A remark, not a failure; `caller` is undefined where AWS could not be asked. */
export const awsSigningAs = defineDiagnosis({
  code: "aws-signing-as",
  about: "Who signs the requests to a server: told when a bridge begins, and when another identity takes over.",
  tell: ({ server, caller, source }: { server: string; caller: Caller | undefined; source: string }) => {
    const who = caller === undefined ? "" : ` as ${quote(caller.arn)} (account ${quote(caller.account, 20)})`
    return { cause: `Requests to "${server}" are signed${who}; the keys come from ${source}.`, evidence: [] }
  },
})
