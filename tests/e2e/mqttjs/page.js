// Serves a dashboard's page, with MQTT.js as browsers load it, and says its port. The page connects to the gateway
// at the port of its address, and decodes the telemetry frames that tests share; its picture, for which browsers wait,
// comes when the page has its results.
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const page = `<!DOCTYPE html>
<pre id="result"></pre>
<pre id="frames"></pre>
<script src="/mqtt.min.js"></script>
<script>
  const client = mqtt.connect('wss://localhost:' + location.search.slice(1) + '/mqtt', { reconnectPeriod: 0 })
  let finished = false
  function finish(text) {
    if (finished) return
    finished = true
    document.getElementById('result').textContent = text
    decodeFrames()
      .catch((error) => error)
      .then((frames) => {
        document.getElementById('frames').textContent = 'frames: ' + frames
        fetch('/done')
      })
  }
  async function decodeFrames() {
    const { decodeFrame, samplesOf } = await import('/frame.mjs')
    const vectors = await (await fetch('/vectors.json')).json()
    const right = vectors.filter((vector) => {
      const frame = Uint8Array.from(vector.frame.match(/../g), (hex) => parseInt(hex, 16))
      const samples = samplesOf(decodeFrame(frame, { receivedMs: vector.received }))
      return JSON.stringify(samples) === JSON.stringify(vector.json.map((line) => JSON.parse(line)))
    })
    return right.length + ' of ' + vectors.length
  }
  client.on('connect', () => client.subscribe('t/browser', { qos: 1 }, () => client.publish('t/browser', navigator.appName, { qos: 1 })))
  client.on('message', (topic, payload) => finish('result: ' + topic + ' ' + payload))
  client.on('close', () => finish('result: refused'))
</script>
<img src="/wait">
`

const files = {
  '/mqtt.min.js': path.join(__dirname, 'node_modules/mqtt/dist/mqtt.min.js'),
  '/frame.mjs': path.join(__dirname, '../../../device-sdk/js/frame.mjs'),
  '/vectors.json': path.join(__dirname, '../../vectors/frame/vectors.json'),
}

let waiting = []
let done = false
const server = http.createServer((request, response) => {
  const name = request.url.split('?')[0]
  if (Object.hasOwn(files, name)) {
    if (!name.endsWith('.json')) response.setHeader('Content-Type', 'text/javascript') // a module must say so
    response.end(fs.readFileSync(files[name]))
  } else if (name === '/wait') {
    if (done) response.end()
    else waiting.push(response)
  } else if (name === '/done') {
    done = true
    response.end()
    waiting.forEach((other) => other.end())
    waiting = []
  } else {
    done = false
    response.setHeader('Content-Type', 'text/html')
    response.end(page)
  }
})
server.listen(0, 'localhost', () => console.log(`serving ${server.address().port}`))
