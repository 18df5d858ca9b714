// Publishes COUNT messages of 64 bytes with QoS 0 to URL, and with `deliver` waits until all have come back.
//   websocket.js URL COUNT publish|deliver
const mqtt = require('../e2e/mqttjs/node_modules/mqtt')

async function main(url, count, kind) {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 })
  const payload = Buffer.alloc(64, 'x')
  let seen = 0
  const all = new Promise((resolve) => client.on('message', () => ++seen === count && resolve()))
  if (kind === 'deliver') await client.subscribeAsync('t/x')
  for (let i = 1; i <= count; i++) {
    client.publish('t/x', payload)
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  if (kind === 'deliver') await all
  await client.publishAsync('t/end', 'end', { qos: 1 })
  await client.endAsync()
}

main(process.argv[2], Number(process.argv[3]), process.argv[4]).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
