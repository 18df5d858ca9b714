// A program without an origin, where the configuration takes such: Node.js' own WebSocket, another implementation
// than the one that MQTT.js comes with, and MQTT.js.
const assert = require('node:assert')
const mqtt = require('mqtt')

const url = `wss://localhost:${process.env.HTTPS}/mqtt`

function ownWebSocket() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'mqtt')
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => socket.send(Buffer.from('101000044d5154540402003c00046f776e31', 'hex'))
    socket.onmessage = (event) => {
      assert.strictEqual(Buffer.from(event.data).toString('hex'), '20020000')
      socket.close(1000)
    }
    socket.onclose = (event) => resolve(event.code)
    socket.onerror = reject
  })
}

async function main() {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 })
  await client.endAsync()
  assert.strictEqual(await ownWebSocket(), 1000)
  await assert.rejects(mqtt.connectAsync(url, { reconnectPeriod: 0, wsOptions: { origin: 'https://localhost' } }), /403/)
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
