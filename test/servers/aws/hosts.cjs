// Loaded into a program under test (NODE_OPTIONS=--require): the hosts of AWS stand on this machine, at the port of TEST_AWS_PORT.
// The names stay as they are, in the request, in the signature and in the certificate: only where a connection leads is changed.
const net = require("node:net")

const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...args) {
  const [first] = args
  const options = Array.isArray(first) ? first[0] : first // node:net hands itself a list that it has normalised
  if (typeof options === "object" && options !== null && /\.amazonaws\.com(\.cn)?$|\.on\.aws$|\.api\.aws$/.test(options.host ?? "")) {
    options.host = "127.0.0.1"
    options.port = Number(process.env.TEST_AWS_PORT)
  }
  return connect.apply(this, args)
}
