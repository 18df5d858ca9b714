// Who does not say what it wants is let go, with an answer where it had begun to.
const assert = require('node:assert')
const tls = require('node:tls')

const port = process.env.HTTPS
const handshake =
  `GET /mqtt HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n'

// The first line of what the Server says until it closes, and the last bytes.
function say(text) {
  return new Promise((resolve, reject) => {
    let heard = ''
    const socket = tls.connect({ host: 'localhost', port }, () => socket.write(text))
    socket.on('data', (data) => (heard += data.toString('latin1')))
    socket.on('end', () => resolve({ line: heard.split('\r\n')[0], last: heard.slice(-4) }))
    socket.on('error', reject)
  })
}

async function main() {
  const all = await Promise.all(
    ['', 'GET /mq', 'POST /mqtt HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', handshake]
      .map(say))
  assert.deepStrictEqual(
    all.map((heard) => heard.line),
    ['', 'HTTP/1.1 408 Request Timeout', 'HTTP/1.1 408 Request Timeout', 'HTTP/1.1 404 Not Found', 'HTTP/1.1 101 Switching Protocols']
  )
  assert.strictEqual(all[4].last, '\x88\x02\x03\xe8') // no CONNECT came: a Close in its frame
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
