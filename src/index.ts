/** The library's public face: what `postern run` does, from code. A line here is a promise. */
export { type BridgeOptions, type ClientStreams, type OpenBridgeOptions, openBridge, pipeBridge } from "./bridge/open-bridge.ts"
export type { OpenBridge, Welcome } from "./bridge/connect.ts"
export type { InProcessSettings, ServerMessage } from "./bridge/client/in-process.ts"
export { type LoadOptions, loadServers } from "./config/load-servers.ts"
export type { Configuration } from "./config/files.ts"
export type { EnvironmentLabel, HttpServer, Scope, Server, StdioServer } from "./config/server.ts"
export { PosternError, type Diagnosis, type DiagnosisKind } from "./core/diagnosis.ts"
export { describeServers, type ServerFacts } from "./inspect/servers.ts"
