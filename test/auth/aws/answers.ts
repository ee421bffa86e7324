/**
 * The answers with which AWS refuses, as its documentation, its knowledge base and public reports show them; account and names are ours.
 * `answers.test.ts` serves each from a real server and writes docs/aws-answers.md from what Postern made of it.
 */

export interface Example {
  /** The situation, for the table. */
  readonly situation: string
  readonly door: "REST API" | "HTTP API" | "function URL" | "AgentCore" | "STS"
  readonly status: number
  /** `x-amzn-errortype`, or what the body says. */
  readonly type?: string
  readonly body: string
  /** Sent without a signature. */
  readonly unsigned?: true
  /** Signed with a temporary key and without its token. */
  readonly tokenLost?: true
  readonly code: string
}

const CALLER = "arn:aws:sts::123456789012:assumed-role/reader/postern-ada"
const DENIED = `User: ${CALLER} is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:ap-southeast-1:********9012:my-mcp-service/prod/POST/mcp`

const message = (text: string): string => JSON.stringify({ message: text })
const capital = (text: string): string => JSON.stringify({ Message: text })

const badSignature = (situation: string, text: string, code: string): Example => ({
  situation,
  door: "REST API",
  status: 403,
  type: "InvalidSignatureException",
  body: message(text),
  code,
})

const denied = (situation: string, reason: string, code: string): Example => ({
  situation,
  door: "REST API",
  status: 403,
  type: "AccessDeniedException",
  body: capital(`${DENIED}${reason}`),
  code,
})

/** The body is what `canonical` makes of the request that is sent, with the given change. */
export const MISMATCH =
  "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

export const canonicalAnswer = (method: string, contentType: string, hash: string): string =>
  `${MISMATCH}\n\nThe Canonical String for this request should have been\n'${method}\n/prod/mcp\n\ncontent-type:${contentType}\nhost:my-mcp-service.execute-api.ap-southeast-1.amazonaws.com\nx-amz-date:20261126T120000Z\n\ncontent-type;host;x-amz-date\n${hash}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20261126T120000Z\n20261126/ap-southeast-1/execute-api/aws4_request\n${"0".repeat(64)}'\n`

export const BODY = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
/** The SHA-256 of BODY, worked out with sha256sum. */
export const BODY_HASH = "b9e9dd030c7c21f7951be2c67c4f74cf2ef76960e7355887b6afa33c074df553"

export const EXAMPLES: readonly Example[] = [
  {
    situation: "no signature",
    door: "REST API",
    status: 403,
    type: "MissingAuthenticationTokenException",
    body: message("Missing Authentication Token"),
    unsigned: true,
    code: "aws-signature-missing",
  },
  {
    situation: "signature lost on the way",
    door: "AgentCore",
    status: 403,
    type: "MissingAuthenticationTokenException",
    body: message("Missing Authentication Token"),
    code: "aws-signature-missing",
  },
  {
    situation: "signed, but the stage, path or method does not exist",
    door: "REST API",
    status: 403,
    type: "MissingAuthenticationTokenException",
    body: message("Missing Authentication Token"),
    code: "aws-route-unknown",
  },
  {
    situation: "another scheme in the Authorization header",
    door: "REST API",
    status: 403,
    type: "IncompleteSignatureException",
    body: message("Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter."),
    code: "aws-signature-incomplete",
  },
  badSignature("wrong secret key", canonicalAnswer("POST", "application/json", BODY_HASH), "aws-signature-mismatch"),
  badSignature("body changed on the way", canonicalAnswer("POST", "application/json", "0".repeat(64)), "aws-signature-mismatch"),
  badSignature(
    "clock behind",
    "Signature expired: 20261126T120000Z is now earlier than 20261126T120240Z (20261126T120740Z - 5 min.)",
    "aws-clock-behind",
  ),
  badSignature(
    "clock ahead",
    "Signature not yet current: 20261126T120000Z is still later than 20261126T115500Z (20261126T115000Z + 5 min.)",
    "aws-clock-ahead",
  ),
  badSignature("wrong service", "Credential should be scoped to correct service: 'lambda'. ", "aws-wrong-service"),
  badSignature("wrong region", "Credential should be scoped to a valid region, not 'ap-southeast-1'. ", "aws-wrong-region"),
  {
    situation: "key deleted or deactivated",
    door: "REST API",
    status: 403,
    type: "UnrecognizedClientException",
    body: message("The security token included in the request is invalid."),
    code: "aws-key-unknown",
  },
  {
    situation: "temporary key without its session token",
    door: "REST API",
    status: 403,
    type: "UnrecognizedClientException",
    body: message("The security token included in the request is invalid."),
    tokenLost: true,
    code: "aws-session-token-missing",
  },
  {
    situation: "temporary credentials at their end",
    door: "REST API",
    status: 403,
    type: "ExpiredTokenException",
    body: message("The security token included in the request is expired"),
    code: "aws-session-expired",
  },
  {
    situation: "temporary credentials at their end",
    door: "STS",
    status: 403,
    body: '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ErrorResponse>',
    code: "aws-session-expired",
  },
  denied("no identity policy allows", " because no identity-based policy allows the execute-api:Invoke action", "aws-denied-identity"),
  denied(
    "the resource policy does not allow",
    " because no resource-based policy allows the execute-api:Invoke action",
    "aws-denied-resource",
  ),
  denied("the session policy does not allow", " because no session policy allows the execute-api:Invoke action", "aws-denied-session"),
  denied(
    "the permissions boundary does not allow",
    " because no permissions boundary allows the execute-api:Invoke action",
    "aws-denied-boundary",
  ),
  denied(
    "the organization does not allow",
    " because no service control policy allows the execute-api:Invoke action",
    "aws-denied-organization",
  ),
  denied("the VPC endpoint does not allow", " because no VPC endpoint policy allows the execute-api:Invoke action", "aws-denied-network"),
  denied("an explicit deny, unnamed", " with an explicit deny", "aws-denied-explicitly"),
  denied("an explicit deny in an identity policy", " with an explicit deny in an identity-based policy", "aws-denied-explicitly"),
  denied("an explicit deny of the organization", " with an explicit deny in a service control policy", "aws-denied-explicitly"),
  denied("denied, without a reason", "", "aws-denied"),
  {
    situation: "the caller is anonymous to the resource policy",
    door: "REST API",
    status: 403,
    type: "AccessDeniedException",
    body: capital(DENIED.replace(CALLER, "anonymous")),
    code: "aws-denied-anonymous",
  },
  {
    situation: "function URL, for every missing permission",
    door: "function URL",
    status: 403,
    type: "AccessDeniedException",
    body: capital(
      "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html",
    ),
    code: "aws-function-url-denied",
  },
  {
    situation: "HTTP API, for every cause",
    door: "HTTP API",
    status: 403,
    body: message("Forbidden"),
    code: "aws-forbidden-unsaid",
  },
  {
    situation: "API key, firewall or mapping",
    door: "REST API",
    status: 403,
    type: "ForbiddenException",
    body: message("Forbidden"),
    code: "aws-forbidden-gateway",
  },
  {
    situation: "AgentCore set to OAuth",
    door: "AgentCore",
    status: 403,
    type: "AccessDeniedException",
    body: message(
      "Authorization method mismatch. The agent is configured for a different authorization method than what was used in your request.",
    ),
    code: "aws-method-mismatch",
  },
  {
    situation: "throttled",
    door: "AgentCore",
    status: 403,
    body: JSON.stringify({ __type: "com.amazon.coral.availability#ThrottlingException", message: "Rate exceeded" }),
    code: "aws-throttled",
  },
  { situation: "the program behind the endpoint", door: "HTTP API", status: 401, body: "<html>who are you?</html>", code: "aws-refused" },
]
