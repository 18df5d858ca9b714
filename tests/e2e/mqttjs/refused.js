// A program without an origin is refused.
const assert = require('node:assert')
const mqtt = require('mqtt')

assert.rejects(mqtt.connectAsync(`wss://localhost:${process.env.HTTPS}/mqtt`, { reconnectPeriod: 0 }), /403/).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
