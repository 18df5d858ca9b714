// device-sdk/js/frame.mjs: the shared vectors, bytes that are no frame, and the same answers as the gateway's decoder.
//
//   node frame_js_test.mjs VECTORS.json FRAME_LINES
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { FrameError, decodeFrame, isFrame, samplesOf } from '../../device-sdk/js/frame.mjs'

const [vectorsPath, frameLines] = process.argv.slice(2)
const RECEIVED_MS = 1800000000000
const vectors = JSON.parse(readFileSync(vectorsPath, 'utf8'))
const frameOf = (vector) => new Uint8Array(Buffer.from(vector.frame, 'hex'))

// A value as the vectors have it: a string, so that nothing rounds it.
function exactly(value, type) {
  if (value === null) return null
  if (type === 'boolean') return value ? '1' : '0'
  if (type !== 'float32') return `${value}`
  return `${new Uint32Array(new Float32Array([value]).buffer)[0]}`
}

function withChecksum(frame) {
  let crc = 0xffff
  for (const byte of frame.subarray(0, -2)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x11021 : crc << 1
  }
  frame[frame.length - 2] = crc >> 8
  frame[frame.length - 1] = crc
  return frame
}

// The answers of xorshift: what a run finds comes of a change and not of chance.
let state = 88172645
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

for (const vector of vectors) {
  test(vector.name, () => {
    assert(isFrame(frameOf(vector)))
    const frame = decodeFrame(frameOf(vector), { receivedMs: vector.received })
    assert.equal(frame.hasClock, vector.clock)
    assert.deepEqual(frame.channels, vector.channels)
    const values = frame.samples.map((sample) => sample.values.map((value, i) => exactly(value, frame.channels[i].type)))
    assert.deepEqual(values, vector.samples.map((sample) => sample.values))
    if (vector.clock)
      assert.deepEqual(frame.samples.map((sample) => `${sample.timeMs}`), vector.samples.map((sample) => sample.time))
    assert.deepEqual(samplesOf(frame), vector.json.map((line) => JSON.parse(line)))
  })
}

test('there are vectors', () => assert(vectors.length > 10))

test('every truncation is refused', () => {
  for (const vector of vectors) {
    const frame = frameOf(vector)
    for (let length = 0; length < frame.length; length++) {
      assert.throws(() => decodeFrame(frame.subarray(0, length)), FrameError)
      if (length > 6) assert.throws(() => decodeFrame(withChecksum(frame.slice(0, length))), FrameError)
    }
  }
})

test('every flipped bit is refused', () => {
  for (const vector of vectors) {
    const frame = frameOf(vector)
    for (let bit = 0; bit < frame.length * 8; bit++) {
      frame[bit >> 3] ^= 1 << (bit & 7)
      assert.throws(() => decodeFrame(frame), FrameError)
      frame[bit >> 3] ^= 1 << (bit & 7)
    }
  }
})

test('a limit holds whatever a frame claims', () => {
  const constants = frameOf(vectors.find((vector) => vector.name === 'a channel of texts that are all missing'))
  for (const claim of [4, 4096, 65535]) {
    const frame = constants.slice()
    frame[frame.length - 4] = claim >> 8
    frame[frame.length - 3] = claim
    assert.throws(() => decodeFrame(withChecksum(frame)), FrameError)
    assert.throws(() => decodeFrame(withChecksum(frame), { maxSamples: 65535 }), FrameError)
  }
  assert.throws(() => decodeFrame(constants, { maxSamples: 2 }), /limit/)
  assert.throws(() => decodeFrame(frameOf(vectors[1]), { maxChannels: 1 }), FrameError)

  const wide = frameOf(vectors.find((vector) => vector.channels.length > 4))
  wide[wide.length - 4] = 4096 >> 8
  wide[wide.length - 3] = 0
  assert.throws(() => decodeFrame(withChecksum(wide)), /values are over the limit/)
})

test('a time of arrival may have fractions, as performance.now() gives', () => {
  const frame = frameOf(vectors.find((vector) => !vector.clock))
  assert.deepEqual(decodeFrame(frame, { receivedMs: 1799999999999.6 }), decodeFrame(frame, { receivedMs: RECEIVED_MS }))
})

test('a channel with a name of JavaScript is one like any other', () => {
  const frame = { channels: [{ name: '__proto__', type: 'text', decimals: 0 }], samples: [{ timeMs: 0n, values: ['x'] }] }
  const [sample] = samplesOf(frame)
  assert.deepEqual(Object.keys(sample), ['time', '__proto__'])
  assert.equal(Object.getPrototypeOf(sample), Object.prototype)
})

// Two texts may be equally short for one float32, as 258827.12 and 258827.13 are.
function asFloats(samples, names) {
  for (const sample of samples)
    for (const name of names) if (Object.hasOwn(sample, name)) sample[name] = Math.fround(sample[name])
  return samples
}

// Frames with some bytes changed, put in or cut out, and a checksum that fits.
function forged(count) {
  return Array.from({ length: count }, (_, i) => {
    const bytes = [...frameOf(vectors[i % vectors.length])]
    for (let changes = random(4); changes >= 0; changes--) {
      const at = 2 + random(bytes.length - 2)
      const change = random(4)
      if (change === 0) bytes.splice(at, 1 + random(3))
      else if (change === 1) bytes.splice(at, 0, random(256))
      else bytes[at] ^= 1 << random(8)
    }
    return withChecksum(new Uint8Array(bytes))
  })
}

test('whatever the gateway takes or refuses, this decoder does too, with the same values', () => {
  const frames = forged(4000)
  const input = frames.flatMap((frame) => [frame.length >> 8, frame.length & 0xff, ...frame])
  const gateway = spawnSync(frameLines, { input: Uint8Array.from(input), maxBuffer: 1 << 28, encoding: 'utf8' })
  assert.equal(gateway.status, 0, gateway.stderr)
  const lines = gateway.stdout.split('\n')
  let takenCount = 0
  frames.forEach((frame, i) => {
    const hex = Buffer.from(frame).toString('hex')
    if (lines[i] === 'refused') {
      assert.throws(() => decodeFrame(frame), FrameError, hex)
      return
    }
    const decoded = decodeFrame(frame, { receivedMs: RECEIVED_MS })
    const floats = decoded.channels.filter((channel) => channel.type === 'float32').map((channel) => channel.name)
    assert.deepEqual(asFloats(samplesOf(decoded), floats), asFloats(JSON.parse(lines[i]), floats), hex)
    takenCount++
  })
  assert(takenCount > 100 && takenCount < 3900, `${takenCount} were taken`)
})
