/** The pages that the strict authorization server shows a person: a name to fill in, and two buttons. */
import type http from "node:http"
import type { SeenAuthorization } from "./strict-authorization-server.ts"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")

function page(response: http.ServerResponse, body: string): void {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
  response.end(`<!doctype html><title>Authorization server</title><body>${body}`)
}

/** Asks who comes, and whether the client may have what it asks for. */
export function consentPage(response: http.ServerResponse, params: URLSearchParams): void {
  const hidden = [...params].map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join("")
  const buttons = ["allow", "deny"].map((word) => `<button name="decision" value="${word}">${word}</button>`).join("")
  page(
    response,
    `<form method="post" action="/decide">${hidden}<input name="login"> ${escape(params.get("scope") ?? "")} ${buttons}</form>`,
  )
}

/** Asks for the code that a device shows, or says that it was taken. */
export function devicePage(response: http.ServerResponse, { method, params }: SeenAuthorization): void {
  if (method === "POST") return page(response, "The device is connected.")
  const code = escape(params.get("user_code") ?? "")
  page(response, `<form method="post" action="/device"><input name="user_code" value="${code}"><button>allow</button></form>`)
}
