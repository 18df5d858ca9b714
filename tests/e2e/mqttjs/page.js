// Serves a dashboard's page, with MQTT.js as browsers load it, and says its port. The page connects to the gateway
// at the port of its address; its picture, for which browsers wait, comes when the page has its result.
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

const page = `<!DOCTYPE html>
<pre id="result"></pre>
<script src="/mqtt.min.js"></script>
<script>
  const client = mqtt.connect('wss://localhost:' + location.search.slice(1) + '/mqtt', { reconnectPeriod: 0 })
  let finished = false
  function finish(text) {
    if (finished) return
    finished = true
    document.getElementById('result').textContent = text
    fetch('/done')
  }
  client.on('connect', () => client.subscribe('t/browser', { qos: 1 }, () => client.publish('t/browser', navigator.appName, { qos: 1 })))
  client.on('message', (topic, payload) => finish('result: ' + topic + ' ' + payload))
  client.on('close', () => finish('result: refused'))
</script>
<img src="/wait">
`

let waiting = []
let done = false
const server = http.createServer((request, response) => {
  const name = request.url.split('?')[0]
  if (name === '/mqtt.min.js') {
    response.end(fs.readFileSync(path.join(__dirname, 'node_modules/mqtt/dist/mqtt.min.js')))
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
