// Two pages are connected; a reload withdraws the origin of the one, and the other stays.
const assert = require('node:assert')
const { once } = require('node:events')
const mqtt = require('mqtt')

const connect = (origin) =>
  mqtt.connectAsync(`wss://localhost:${process.env.HTTPS}/mqtt`, { protocolVersion: 5, reconnectPeriod: 0, wsOptions: { origin } })

async function main() {
  const app = await connect('https://app.example')
  const withdrawn = await connect('https://withdrawn.example')
  const told = once(withdrawn, 'disconnect')
  const closed = once(withdrawn, 'close')
  console.log('both are connected')
  const [packet] = await told
  assert.strictEqual(packet.reasonCode, 0x87)
  await closed
  await app.publishAsync('t/1', 'still here', { qos: 1 })
  await app.endAsync()
  await assert.rejects(connect('https://withdrawn.example'), /403/)
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
