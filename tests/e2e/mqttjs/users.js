// A dashboard's user says who they are at CONNECT, where the listener takes nobody without a name.
const assert = require('node:assert')
const mqtt = require('mqtt')

const connect = (options) =>
  mqtt.connectAsync(`wss://localhost:${process.env.HTTPS}/mqtt`, { reconnectPeriod: 0, wsOptions: { origin: 'https://app.example' }, ...options })

async function main() {
  for (const protocolVersion of [4, 5]) {
    const code = protocolVersion === 5 ? 0x86 : 4
    const client = await connect({ protocolVersion, username: 'anna', password: 'correct horse' })
    await client.publishAsync('t/anna', 'hello', { qos: 1 })
    await client.endAsync()
    await assert.rejects(connect({ protocolVersion, username: 'anna', password: 'wrong' }), { code })
    await assert.rejects(connect({ protocolVersion }))
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
