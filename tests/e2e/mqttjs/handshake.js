// What the https listener says to who may not connect, or says the wrong thing.
const assert = require('node:assert')
const https = require('node:https')
const tls = require('node:tls')
const WebSocket = require('ws')

const port = process.env.HTTPS
const app = 'https://app.example'
const connectPacket = Buffer.from('101000044d5154540402003c00047765623132', 'hex') // 3.1.1, of "web1" and one byte more

function get(path, options = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: 'localhost', port, path, ...options }, (response) => {
      let body = ''
      response.on('data', (data) => (body += data))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
    request.on('error', reject)
    request.end(options.body)
  })
}

// 101, or the status of the refusal.
function upgrade(options, protocols = ['mqtt'], path = '/mqtt') {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://localhost:${port}${path}`, protocols, options)
    socket.on('open', () => {
      resolve({ status: 101, protocol: socket.protocol, extensions: socket.extensions })
      socket.close()
    })
    socket.on('unexpected-response', (request, response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode }))
    })
    socket.on('error', (error) => (/Unexpected server response/.test(error.message) ? undefined : reject(error)))
  })
}

async function pathsAndMethods() {
  const nothing = await get('/')
  assert.strictEqual(nothing.status, 404)
  assert.deepStrictEqual(JSON.parse(nothing.body), { message: 'there is nothing here' })
  const post = await get('/mqtt', { method: 'POST', body: 'x' })
  assert.strictEqual(post.status, 405)
  assert.strictEqual(post.headers.allow, 'GET')
  const plain = await get('/mqtt')
  assert.strictEqual(plain.status, 426)
  assert.strictEqual(plain.headers.upgrade, 'websocket')
  assert.strictEqual(plain.headers['sec-websocket-version'], '13')
  assert.strictEqual((await upgrade({ origin: app }, ['mqtt'], '/other')).status, 404)
}

// All that the Server says to these bytes, until it closes.
function say(bytes) {
  return new Promise((resolve, reject) => {
    let heard = ''
    const socket = tls.connect({ host: 'localhost', port }, () => socket.write(bytes))
    socket.on('data', (data) => (heard += data.toString('latin1')))
    socket.on('end', () => resolve(heard))
    socket.on('error', reject)
  })
}

const statusesOf = (heard) => [...heard.matchAll(/HTTP\/1\.1 ([0-9]+) /g)].map((match) => match[1])

// Pipelined requests are answered in order, up to the first that ends the connection.
async function pipelinedRequestsAreAnsweredInOrder() {
  const pipelined = 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n'
  const closing = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  assert.deepStrictEqual(statusesOf(await say(pipelined + closing + pipelined)), ['404', '426', '404'])
  assert.deepStrictEqual(statusesOf(await say(pipelined.repeat(2000) + closing)).length, 4001)
  const smuggled = 'POST /mqtt HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
  assert.deepStrictEqual(statusesOf(await say(smuggled + pipelined)), ['400'])
}

// A client has to wait for the answer to its handshake.
async function framesBeforeTheAnswerEndTheConnection() {
  const handshake = `GET /mqtt HTTP/1.1\r\nHost: a\r\nOrigin: ${app}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n'
  const ended = await say(Buffer.concat([Buffer.from(handshake), Buffer.from('828000000000', 'hex')])).catch((error) => error)
  assert.ok(ended === '' || ended.code === 'ECONNRESET', ended)
}

// HOSTILE 57
async function headersAreBounded() {
  assert.strictEqual((await get('/mqtt', { headers: { long: 'x'.repeat(64000) } })).status, 431)
}

// One connection, one request after the other.
async function connectionsAreKept() {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 3; i++) assert.strictEqual((await get('/', { agent })).status, 404)
  assert.strictEqual(Object.values(agent.freeSockets).flat().length, 1)
  agent.destroy()
}

// HOSTILE 57, 56; [MQTT-6.0.0-3], [MQTT-6.0.0-4]
async function onlyNamedOriginsMayConnect() {
  const rows = [
    ['the named one', { origin: app }, 101],
    ['the same as the host', { origin: `https://localhost:${port}` }, 101],
    ['none', {}, 403],
    ['another', { origin: 'https://evil.example' }, 403],
    ['a longer one', { origin: 'https://app.example.evil.example' }, 403],
    ['its other scheme', { origin: 'http://app.example' }, 403],
    ['its other port', { origin: 'https://app.example:444' }, 403],
    ['a sandboxed page', { origin: 'null' }, 403],
    ['the host without its port', { origin: 'https://localhost' }, 403],
    ['the host in plain', { origin: `http://localhost:${port}` }, 403]
  ]
  for (const [name, options, status] of rows) assert.strictEqual((await upgrade(options)).status, status, name)
  assert.strictEqual((await upgrade({ origin: app }, ['mqttv3.1'])).status, 400)
  const open = await upgrade({ origin: app, perMessageDeflate: true }, ['other', 'mqtt'])
  assert.deepStrictEqual(open, { status: 101, protocol: 'mqtt', extensions: '' })
}

// The status that the Server closes with, after `talk`; what it says before goes to `talk` too.
function closeStatus(talk) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://localhost:${port}/mqtt`, ['mqtt'], { origin: app })
    socket.on('open', () => talk(socket))
    socket.on('close', (status) => resolve(status))
    socket.on('error', reject)
  })
}

async function serverClosesWithAStatus() {
  assert.strictEqual(await closeStatus((socket) => socket.send('text')), 1003) // [MQTT-6.0.0-1]
  assert.strictEqual(await closeStatus((socket) => socket.send(Buffer.alloc(300000))), 1009)
  assert.strictEqual(await closeStatus((socket) => socket.close(4000)), 4000)
  assert.strictEqual(await closeStatus((socket) => socket.send(Buffer.from([0xc0, 0]))), 1000) // no CONNECT first
}

// HOSTILE 54, 55: the CONNECT in frames of a byte, two PINGREQs in one, with a Ping among them; then a packet that
// is longer than its frame is waited for.
async function packetsAndFramesAreIndependent() {
  const heard = []
  let pongs = 0
  const status = await closeStatus((socket) => {
    socket.on('pong', () => pongs++)
    socket.on('message', (data, isBinary) => {
      assert.ok(isBinary) // [MQTT-6.0.0-1]
      heard.push(data)
      const bytes = Buffer.concat(heard).toString('hex')
      if (bytes === '20020000') {
        socket.ping('between')
        socket.send(Buffer.from('c000c0', 'hex'))
        socket.send(Buffer.from('00308020', 'hex'))
        socket.send(Buffer.from('0001', 'hex'))
      } else if (bytes === '20020000d000d000') {
        socket.close(1000)
      }
    })
    for (const byte of connectPacket.subarray(0, connectPacket.length - 1)) socket.send(Buffer.from([byte]))
  })
  assert.strictEqual(status, 1000)
  assert.strictEqual(pongs, 1)
}

async function main() {
  await pathsAndMethods()
  await headersAreBounded()
  await connectionsAreKept()
  await pipelinedRequestsAreAnsweredInOrder()
  await framesBeforeTheAnswerEndTheConnection()
  await onlyNamedOriginsMayConnect()
  await serverClosesWithAStatus()
  await packetsAndFramesAreIndependent()
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
