/** The client-id metadata document (S39, S40): what somebody hosts so that servers know Postern by its address. */

/**
 * Ports that the document lists, tried in this order. An IP address with any port would do by RFC 8252 section 7.3, and many servers
 * compare to the letter.
 */
export const CLIENT_DOCUMENT_PORTS = [41_476, 41_477, 41_478] as const

/** @param clientId - the https address, with a path, where it will be hosted */
export function clientDocument(clientId: string): Readonly<Record<string, unknown>> {
  const hosts = ["127.0.0.1", "localhost", "[::1]"]
  const ports = ["", ...CLIENT_DOCUMENT_PORTS.map((port) => `:${port}`)]
  return {
    client_id: clientId,
    client_name: "Postern",
    redirect_uris: hosts.flatMap((host) => ports.map((port) => `http://${host}${port}/callback`)),
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    application_type: "native",
    token_endpoint_auth_method: "none",
  }
}
