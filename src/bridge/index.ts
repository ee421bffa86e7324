/** `postern/bridge`: the parts of a bridge, for who brings a client side of their own. A line here is a promise. */
export { type BridgeSettings, MAX_FRAME_BYTES, runBridge } from "./bridge.ts"
export type { ClientListener, ClientSide } from "./client/client-side.ts"
export { type InProcessClient, inProcessClient } from "./client/in-process.ts"
export { type StdioClientSettings, stdioClient } from "./client/stdio.ts"
export { type Frame, NotAMessage, readFrames } from "./frame.ts"
export { type Log, type LogFields, jsonLog, silentLog } from "../core/log.ts"
