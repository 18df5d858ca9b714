// MQTT.js over WebSocket, as a page of https://app.example would use it, in MQTT 3.1.1 and 5. Nothing waits for
// time: what should come is awaited, and what should not come is shown by what comes after it.
const assert = require('node:assert')
const fs = require('node:fs')
const mqtt = require('mqtt')

const pki = process.env.PKI
const url = `wss://localhost:${process.env.HTTPS}/mqtt`

// A connected client; `seen` is [topic, payload, qos, retain] of each message, `upTo` resolves when one has come.
async function connect(protocolVersion, options = {}, wsOptions = {}) {
  const client = await mqtt.connectAsync(url, {
    protocolVersion,
    reconnectPeriod: 0,
    wsOptions: { origin: 'https://app.example', ...wsOptions },
    ...options
  })
  listen(client)
  return client
}

function listen(client) {
  client.seen = []
  client.waiting = []
  client.on('message', (topic, payload, packet) => {
    client.seen.push([topic, payload.toString(), packet.qos, packet.retain])
    client.waiting = client.waiting.filter((check) => !check())
  })
  client.upTo = (topic) =>
    new Promise((resolve) => {
      const check = () => client.seen.some((message) => message[0] === topic) && (resolve(client.seen), true)
      if (!check()) client.waiting.push(check)
    })
}

async function everyQosArrives(version) {
  const client = await connect(version)
  await client.subscribeAsync(`t/${version}/qos/#`, { qos: 2 })
  for (const qos of [0, 1, 2]) await client.publishAsync(`t/${version}/qos/${qos}`, `q${qos}`, { qos })
  assert.deepStrictEqual(await client.upTo(`t/${version}/qos/2`), [
    [`t/${version}/qos/0`, 'q0', 0, false],
    [`t/${version}/qos/1`, 'q1', 1, false],
    [`t/${version}/qos/2`, 'q2', 2, false]
  ])
  await client.endAsync()
}

// Many packets in a frame, and a packet in many reads.
async function manyAndLargeMessagesKeepTheirOrder(version) {
  const client = await connect(version)
  await client.subscribeAsync(`t/${version}/many/#`, { qos: 1 })
  const sent = Array.from({ length: 2000 }, (_, i) => `message ${i}`)
  const large = 'x'.repeat(200000)
  for (const payload of sent) client.publish(`t/${version}/many/small`, payload)
  await client.publishAsync(`t/${version}/many/large`, large, { qos: 1 })
  const seen = await client.upTo(`t/${version}/many/large`)
  assert.deepStrictEqual(seen.map((message) => message[1]), [...sent, large])
  await client.endAsync()
}

async function retainedMessagesGreet(version) {
  const topic = `t/${version}/kept`
  const client = await connect(version)
  await client.publishAsync(topic, 'kept', { qos: 1, retain: true })
  await client.subscribeAsync(topic, { qos: 1 })
  assert.deepStrictEqual(await client.upTo(topic), [[topic, 'kept', 1, true]])
  await client.publishAsync(topic, '', { qos: 1, retain: true })
  await client.endAsync()
}

async function willsFire(version) {
  const topic = `t/${version}/will`
  const watcher = await connect(version)
  await watcher.subscribeAsync(`${topic}/#`, { qos: 1 })
  const polite = await connect(version, { will: { topic: `${topic}/polite`, payload: 'never', qos: 1 } })
  await polite.endAsync()
  const dies = await connect(version, { will: { topic: `${topic}/died`, payload: 'died', qos: 1 } })
  dies.stream.destroy()
  assert.deepStrictEqual(await watcher.upTo(`${topic}/died`), [[`${topic}/died`, 'died', 1, false]])
  await watcher.endAsync()
}

async function sessionsOutliveTheirConnection(version) {
  const topic = `t/${version}/away`
  const session = { clientId: `dashboard${version}`, clean: false, properties: { sessionExpiryInterval: 600 } }
  const publisher = await connect(version)
  const before = await connect(version, session)
  await before.subscribeAsync(`${topic}/#`, { qos: 2 })
  await before.endAsync()
  for (const name of ['1', '2', '3']) await publisher.publishAsync(`${topic}/${name}`, name, { qos: name === '3' ? 2 : 1 })
  const again = mqtt.connect(url, {
    ...session,
    protocolVersion: version,
    reconnectPeriod: 0,
    wsOptions: { origin: 'https://app.example' }
  })
  listen(again) // before the CONNACK: what was missed follows it at once
  const [connack] = await new Promise((resolve) => again.on('connect', (...all) => resolve(all)))
  assert.strictEqual(connack.sessionPresent, true)
  assert.deepStrictEqual(await again.upTo(`${topic}/3`), [
    [`${topic}/1`, '1', 1, false],
    [`${topic}/2`, '2', 1, false],
    [`${topic}/3`, '3', 2, false]
  ])
  await again.endAsync()
  await publisher.endAsync()
}

// A client certificate says who it is here too: only the device itself may publish to its own topic.
async function certificatesIdentify(version) {
  const topic = 'own/one'
  const watcher = await connect(version)
  await watcher.subscribeAsync(topic, { qos: 1 })
  if (version === 5) {
    const refused = await watcher.publishAsync(topic, 'forged', { qos: 1 }).catch((error) => error)
    assert.strictEqual(refused.code, 0x87)
  }
  const one = await connect(
    version,
    { clientId: 'one' },
    { cert: fs.readFileSync(`${pki}/one.crt`), key: fs.readFileSync(`${pki}/one.key`) }
  )
  await one.publishAsync(topic, 'genuine', { qos: 1 })
  assert.deepStrictEqual(await watcher.upTo(topic), [[topic, 'genuine', 1, false]])
  await one.endAsync()
  await watcher.endAsync()
}

async function main() {
  for (const version of [4, 5]) {
    await everyQosArrives(version)
    await manyAndLargeMessagesKeepTheirOrder(version)
    await retainedMessagesGreet(version)
    await willsFire(version)
    await sessionsOutliveTheirConnection(version)
    await certificatesIdentify(version)
    const last = await connect(version)
    await last.publishAsync(`t/${version}/last`, 'from WebSocket', { qos: 1 })
    await last.endAsync()
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
