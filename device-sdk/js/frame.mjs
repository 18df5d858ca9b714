/*
 * Telemetry frames, decoded in a browser or in Node.js: for a dashboard that hears
 * devices through another MQTT Server than a Sluice gateway, which would give it JSON.
 * Written from ../wire/FRAME.md, whose words it uses; one file, without dependencies.
 *
 *     import { decodeFrame, isFrame, samplesOf } from './frame.mjs'
 *     client.on('message', (topic, payload) => {
 *       if (isFrame(payload))
 *         for (const sample of samplesOf(decodeFrame(payload))) draw(sample.time, sample.temperature)
 *     })
 *
 * Bytes from anywhere are safe: what is no frame throws a FrameError. Work and memory
 * are bounded by the limits that decodeFrame is given, whatever a frame claims.
 */

export class FrameError extends Error {
  name = 'FrameError'
}

const TYPES = ['decimal', 'boolean', 'float32', 'text']
const CHANNELS_MAX = 64
const TEXTS_MAX = 1024
const TRAILER_BYTES = 4
const PAST_END_BYTES = 3

const COMMON_TEXTS = (
  'Cel K %RH Pa hPa V mV A mA W kW Wh kWh J Ah VA var Ohm Hz % / m mm m/s m/s2 deg rad lat lon lx ' +
  'W/m2 kg g l l/s m3 N s ms min h MB B MB/s B/s bit/s count 1/min dB dBm ppm ug/m3 pH ' +
  'temperature humidity pressure battery voltage current power energy frequency illuminance co2 level ' +
  'flow speed distance state counter signal load memory cpu disk uptime'
).split(' ')

/** Whether a payload says of itself that it is a frame. */
export function isFrame(bytes) {
  return bytes.length > 2 && bytes[0] === 0xc1 && bytes[1] === 0x1f
}

/**
 * Takes a frame (a Uint8Array, as a Buffer is) apart, exactly. `receivedMs` is when it
 * arrived: the time of the last sample where the device has no clock. Gives
 * `{hasClock, channels: [{name, unit, type, decimals}], samples: [{timeMs, values}]}`:
 * `timeMs` is a bigint, and of `values` there is one for each channel, null where it is
 * missing: a bigint in units of 10^-decimals, a boolean, a number (a float32), or a string.
 * The limits are a gateway's: `maxValues` is of samples times channels.
 */
export function decodeFrame(
  bytes,
  { receivedMs = Date.now(), maxChannels = CHANNELS_MAX, maxSamples = 4096, maxValues = 16384 } = {},
) {
  check(isFrame(bytes) && bytes.length > 2 + TRAILER_BYTES, 'these bytes are no frame')
  const trailer = new Reader(bytes.subarray(bytes.length - TRAILER_BYTES))
  const sampleCount = trailer.u16()
  check(trailer.u16() === checksum(bytes.subarray(0, bytes.length - 2)), 'the checksum is wrong')
  check(sampleCount > 0, 'there is no sample')
  check(sampleCount <= maxSamples, `${sampleCount} samples are over the limit of ${maxSamples}`)

  const reader = new Reader(bytes.subarray(2, bytes.length - TRAILER_BYTES))
  const version = reader.u8()
  check(version >> 4 === 1 && (version & 0xe) === 0, 'the version or a flag is unknown')
  const hasClock = (version & 1) === 1
  const channels = readChannels(reader, maxChannels)
  const valueCount = sampleCount * channels.length
  check(valueCount <= maxValues, `${valueCount} values are over the limit of ${maxValues}`)
  const texts = channels.some((channel) => channel.type === 'text') ? readTexts(reader) : []
  const samples = readSamples(new RangeDecoder(reader.rest()), channels, texts, sampleCount)
  if (!hasClock) stampSamples(samples, BigInt(typeof receivedMs === 'number' ? Math.round(receivedMs) : receivedMs))
  return { hasClock, channels, samples }
}

/**
 * The samples as objects like those that a gateway makes of a frame:
 * `{time: 1700000000.123, temperature: 21.5, door: true, mode: 'heating'}`, the time in
 * seconds. What is missing is left out, and so is a float that is no number.
 */
export function samplesOf({ channels, samples }) {
  return samples.map(({ timeMs, values }) => {
    const entries = [['time', Number(`${timeMs}e-3`)]]
    channels.forEach(({ name, type, decimals }, i) => {
      const value = values[i]
      if (type === 'decimal' && value !== null) entries.push([name, Number(`${value}e-${decimals}`)])
      else if (type === 'float32' && Number.isFinite(value)) entries.push([name, shortestFloat(value)])
      else if (type !== 'float32' && value !== null) entries.push([name, value])
    })
    return Object.fromEntries(entries) // unlike an assignment, this takes a name like __proto__ as any other
  })
}

function check(holds, message) {
  if (!holds) throw new FrameError(message)
}

/* ---- the layout ---- */

class Reader {
  constructor(bytes) {
    this.bytes = bytes
    this.at = 0
  }

  take(count) {
    check(this.at + count <= this.bytes.length, 'the frame is cut off')
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  rest() {
    return this.take(this.bytes.length - this.at)
  }

  u8() {
    return this.take(1)[0]
  }

  u16() {
    const [high, low] = this.take(2)
    return high * 256 + low
  }

  utf8(count) {
    let text
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.take(count))
    } catch {
      throw new FrameError('a text is cut off or not UTF-8')
    }
    check(!text.includes('\0'), 'a text has U+0000 in it')
    return text
  }

  /** A name or a unit. */
  label(maxBytes) {
    const length = this.u8()
    if (length < 0x80) {
      check(length <= maxBytes, 'a name or a unit is too long')
      return this.utf8(length)
    }
    check(length - 0x80 < COMMON_TEXTS.length, 'a name or a unit is not in the list')
    return COMMON_TEXTS[length - 0x80]
  }
}

function readChannels(reader, maxChannels) {
  const count = reader.u8()
  check(count >= 1 && count <= Math.min(maxChannels, CHANNELS_MAX), `${count} channels are none or too many`)
  const names = new Set(['time'])
  return Array.from({ length: count }, () => {
    const kind = reader.u8()
    const decimals = kind & 0xf
    check(kind >> 4 < TYPES.length, 'the type of a channel is unknown')
    check(kind >> 4 === 0 || decimals === 0, 'only decimals have decimals')
    const name = reader.label(64)
    const unit = reader.label(32)
    check(name !== '' && !names.has(name), 'a name is empty, taken, or "time"')
    names.add(name)
    return { name, unit, type: TYPES[kind >> 4], decimals }
  })
}

function readTexts(reader) {
  const count = reader.u16()
  check(count <= TEXTS_MAX, `${count} texts are too many`)
  return Array.from({ length: count }, () => reader.utf8(reader.u8()))
}

function checksum(bytes) {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1
  }
  return crc
}

/* ---- the body ---- */

class Odds {
  no = 32768
  seen = 0
}

class RangeDecoder {
  constructor(body) {
    this.body = body
    this.at = 0
    this.range = 0xffffffff
    this.offset = 0
    for (let i = 0; i < 4; i++) this.offset = ((this.offset << 8) | this.nextByte()) >>> 0
  }

  /** Bytes past the end are zeros; a good frame wants three of them, so the fourth ends the work. */
  nextByte() {
    check(this.at < this.body.length + PAST_END_BYTES, 'the body is too short for its samples')
    return this.body[this.at++] ?? 0
  }

  decide(no) {
    const bound = (this.range >>> 12) * ((no >>> 4) | 1)
    const answer = this.offset < bound ? 0 : 1
    if (answer === 0) {
      this.range = bound
    } else {
      this.range -= bound
      this.offset -= bound
    }
    while (this.range < 0x1000000) {
      this.range *= 256
      this.offset = ((this.offset << 8) | this.nextByte()) >>> 0
    }
    return answer
  }

  answer(odds) {
    const answer = this.decide(odds.no)
    if (answer === 0) odds.no += Math.floor((65535 - odds.no) / (odds.seen + 2))
    else odds.no -= Math.floor(odds.no / (odds.seen + 2))
    if (odds.seen < 126) odds.seen++
    return answer
  }

  bits(count) {
    let bits = 0n
    for (; count > 0; count--) bits = (bits << 1n) | BigInt(this.decide(32768))
    return bits
  }

  isAtEnd() {
    return this.at === this.body.length + PAST_END_BYTES
  }
}

const oddsOf = (count) => Array.from({ length: count }, () => new Odds())

/** Bits of the magnitude of a signed number of 64 bits. */
function sizeOf(number) {
  const magnitude = number < 0n ? -number : number
  const high = Number(magnitude >> 32n)
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(Number(magnitude & 0xffffffffn))
}

/** What is known of one channel, or of the times. */
class Column {
  last = 0n
  step = 0n
  sign = 0
  isFirst = true
  latestBoolean = 0
  place = 0n
  changed = 0
  wasPresent = 1
  present = oddsOf(2)
  surprise = oddsOf(3)
  negative = oddsOf(3)
  longer = oddsOf(24)
  high = Array.from({ length: 8 }, () => oddsOf(3))

  constructor(decoder, trend = 0) {
    this.decoder = decoder
    this.trend = trend
  }

  isPresent() {
    this.wasPresent = this.decoder.answer(this.present[this.wasPresent])
    return this.wasPresent === 1
  }

  number() {
    if (this.isFirst) {
      this.isFirst = false
      const z = this.decoder.bits(Math.min(Number(this.decoder.bits(7)), 64))
      this.last = z & 1n ? ~(z >> 1n) : z >> 1n
      return this.last
    }
    const guess = this.last + (this.trend > 0 ? this.step : 0n)
    const number = BigInt.asIntN(64, guess + this.nextSurprise())
    const step = BigInt.asIntN(64, number - this.last)
    const trend = this.trend + sizeOf(step) - sizeOf(BigInt.asIntN(64, step - this.step))
    this.trend = Math.max(-32, Math.min(32, trend))
    this.step = step
    this.last = number
    return number
  }

  nextSurprise() {
    const context = this.sign + 1
    this.sign = 0
    if (this.decoder.answer(this.surprise[context]) === 0) return 0n
    this.sign = this.decoder.answer(this.negative[context]) === 1 ? -1 : 1
    return BigInt(this.sign) * this.magnitude()
  }

  magnitude() {
    let length = 1
    while (length < 64 && this.decoder.answer(this.longer[Math.min(length, 24) - 1]) === 1) length++
    const high = this.high[Math.min(length, 8) - 1]
    let m = 1
    let rest = length - 1
    for (; rest > 0 && m < 4; rest--) m = 2 * m + this.decoder.answer(high[m - 1])
    return (BigInt(m) << BigInt(rest)) | this.decoder.bits(rest)
  }

  boolean() {
    this.latestBoolean = this.decoder.answer(this.surprise[this.latestBoolean])
    return this.latestBoolean === 1
  }

  float32() {
    const bits = Number(BigInt.asUintN(32, this.number()))
    const view = new DataView(new ArrayBuffer(4))
    view.setUint32(0, bits & 0x80000000 ? bits ^ 0x7fffffff : bits)
    return view.getFloat32(0)
  }

  text(texts) {
    this.changed = this.decoder.answer(this.surprise[this.changed])
    if (this.changed === 1) this.place = this.magnitude() - 1n
    check(this.place < texts.length, 'a value names a text that is not there')
    return texts[Number(this.place)]
  }
}

function readSamples(decoder, channels, texts, count) {
  const read = {
    decimal: (column) => column.number(),
    boolean: (column) => column.boolean(),
    float32: (column) => column.float32(),
    text: (column) => column.text(texts),
  }
  const time = new Column(decoder, 1)
  const columns = channels.map(() => new Column(decoder))
  const samples = []
  for (let i = 0; i < count; i++) {
    const timeMs = time.number()
    const values = columns.map((column, c) => (column.isPresent() ? read[channels[c].type](column) : null))
    samples.push({ timeMs, values })
  }
  check(decoder.isAtEnd(), 'the body is too long for its samples')
  return samples
}

/* ---- what is made of it ---- */

/** The last sample was taken when the frame arrived; the others lie before it as far as they did. */
function stampSamples(samples, receivedMs) {
  const originMs = receivedMs - samples[samples.length - 1].timeMs
  for (const sample of samples) sample.timeMs = BigInt.asIntN(64, originMs + sample.timeMs)
}

/** The number with the fewest digits, of six or more, that is the same float32: 0.1 and not 0.10000000149011612. */
function shortestFloat(value) {
  let precision = 6
  while (precision < 9 && Math.fround(Number(value.toPrecision(precision))) !== value) precision++
  return value === 0 ? value : Number(value.toPrecision(precision))
}
