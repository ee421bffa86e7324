/**
 * Loaded before a foreign server (`node --import`): makes it listen on 127.0.0.1 only, tells its parent process the port,
 * and ends with it. server-everything listens on every interface, and has a tool that prints its environment.
 */
import { Server } from "node:net"

const { listen } = Server.prototype

Server.prototype.listen = function listenOnLoopback(port) {
  this.once("listening", () => process.send({ port: this.address().port }))
  return listen.call(this, Number(port), "127.0.0.1")
}

process.once("disconnect", () => process.exit())
