"""MQTT Control Packets as bytes, right ones and wrong ones, and a Client on a raw socket.

The builders check nothing: every part can be given a value that the standard forbids. The Client reads
what the Server answers strictly: a byte that is out of place is an error of the Server, and fails the test.
"""

import socket
import ssl
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
NAMES = ["reserved 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
         "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"]

HANG_S = 60  # what only a machine that hangs takes; no measure of time


# ---- Parts ----

def varint(number, least_bytes=1):
    """A Variable Byte Integer; with more `least_bytes` than it needs, a non-minimal one."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        more = number > 0 or len(out) + 1 < least_bytes
        out.append(digit | (0x80 if more else 0))
        if not more:
            return bytes(out)


def raw(text):
    return text if isinstance(text, (bytes, bytearray)) else text.encode("utf-8", "surrogatepass")


def text(value):
    """A string, or binary data, with its length in front."""
    value = raw(value)
    return struct.pack(">H", len(value)) + value


def u16(number):
    return struct.pack(">H", number)


def u32(number):
    return struct.pack(">I", number)


def packet(first_byte, body=b"", remaining=None):
    """`remaining`: another Remaining Length than the body's, as a number or as bytes."""
    if remaining is None:
        remaining = len(body)
    return bytes([first_byte]) + (remaining if isinstance(remaining, bytes) else varint(remaining)) + body


# Properties, by identifier: what follows it.
BYTE, TWO, FOUR, VARINT, STRING, PAIR = range(6)
PROPERTY_KINDS = {
    0x01: BYTE, 0x02: FOUR, 0x03: STRING, 0x08: STRING, 0x09: STRING, 0x0B: VARINT, 0x11: FOUR, 0x12: STRING,
    0x13: TWO, 0x15: STRING, 0x16: STRING, 0x17: BYTE, 0x18: FOUR, 0x19: BYTE, 0x1A: STRING, 0x1C: STRING,
    0x1F: STRING, 0x21: TWO, 0x22: TWO, 0x23: TWO, 0x24: BYTE, 0x25: BYTE, 0x26: PAIR, 0x27: FOUR, 0x28: BYTE,
    0x29: BYTE, 0x2A: BYTE,
}
MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 0x02, 0x03, 0x08, 0x09
SUBSCRIPTION_IDENTIFIER, SESSION_EXPIRY, ASSIGNED_CLIENT_IDENTIFIER, SERVER_KEEP_ALIVE = 0x0B, 0x11, 0x12, 0x13
AUTHENTICATION_METHOD, WILL_DELAY, REASON_STRING, RECEIVE_MAXIMUM = 0x15, 0x18, 0x1F, 0x21
TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS, USER_PROPERTY, MAXIMUM_PACKET_SIZE = 0x22, 0x23, 0x26, 0x27


def prop(identifier, value):
    kind = PROPERTY_KINDS[identifier]
    if kind == PAIR:
        body = text(value[0]) + text(value[1])
    elif kind == STRING:
        body = text(value)
    else:
        body = {BYTE: lambda n: bytes([n]), TWO: u16, FOUR: u32, VARINT: varint}[kind](value)
    return bytes([identifier]) + body


def block(properties):
    """A property block with its length in front; None is a packet of 3.1.1, which has none."""
    return b"" if properties is None else varint(len(properties)) + properties


def in_version(version, properties):
    return properties if version >= 5 else None


def read_properties(body, at):
    """The properties at body[at:], as a list of (identifier, value), and where they end."""
    length, at = read_varint(body, at)
    end, found = at + length, []
    while at < end:
        identifier = body[at]
        kind = PROPERTY_KINDS[identifier]
        value, at = read_property(kind, body, at + 1)
        found.append((identifier, value))
    assert at == end, "the Server's properties do not end where they should"
    return found, end


def read_property(kind, body, at):
    if kind == VARINT:
        return read_varint(body, at)
    if kind == STRING:
        return read_text(body, at)
    if kind == PAIR:
        name, at = read_text(body, at)
        value, at = read_text(body, at)
        return (name, value), at
    size = {BYTE: 1, TWO: 2, FOUR: 4}[kind]
    return int.from_bytes(body[at:at + size], "big"), at + size


def read_text(body, at):
    length = int.from_bytes(body[at:at + 2], "big")
    assert at + 2 + length <= len(body), "the Server's packet ends within a string"
    return bytes(body[at + 2:at + 2 + length]), at + 2 + length


def read_varint(body, at):
    number = shift = 0
    while True:
        byte = body[at]
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return number, at


# ---- Packets ----

class Will:
    def __init__(self, topic, payload=b"gone", qos=0, retain=False, properties=b""):
        self.topic, self.payload, self.qos = topic, payload, qos
        self.retain, self.properties = retain, properties

    def flags(self):
        return 0x04 | self.qos << 3 | (0x20 if self.retain else 0)


def connect(client_id="", version=5, clean=True, keep_alive=60, properties=b"", will=None, user=None,
            password=None, protocol=b"MQTT", flags=None, first_byte=0x10):
    bits = (0x02 if clean else 0) | (will.flags() if will else 0)
    bits |= (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text(protocol) + bytes([version, bits if flags is None else flags]) + u16(keep_alive)
    body += block(in_version(version, properties)) + text(client_id)
    if will:
        body += block(in_version(version, will.properties)) + text(will.topic) + text(will.payload)
    for part in (user, password):
        body += text(part) if part is not None else b""
    return packet(first_byte, body)


def publish(topic, payload=b"", qos=0, packet_id=1, version=5, properties=b"", dup=False, retain=False):
    body = text(topic) + (u16(packet_id) if qos else b"") + block(in_version(version, properties)) + raw(payload)
    return packet(0x30 | (0x08 if dup else 0) | qos << 1 | (0x01 if retain else 0), body)


def subscribe(filters, packet_id=1, version=5, properties=b""):
    """`filters`: a Topic Filter, or (Topic Filter, Subscription Options), or a list of those."""
    body = u16(packet_id) + block(in_version(version, properties))
    for item in filters if isinstance(filters, list) else [filters]:
        name, options = item if isinstance(item, tuple) else (item, 0)
        body += text(name) + bytes([options])
    return packet(0x82, body)


def unsubscribe(filters, packet_id=1, version=5, properties=b""):
    body = u16(packet_id) + block(in_version(version, properties))
    for name in filters if isinstance(filters, list) else [filters]:
        body += text(name)
    return packet(0xA2, body)


def ack(kind, packet_id, reason=None, properties=None):
    """PUBACK, PUBREC, PUBREL, PUBCOMP; the short form without a Reason Code."""
    body = u16(packet_id)
    if reason is not None:
        body += bytes([reason]) + (b"" if properties is None else block(properties))
    return packet(kind << 4 | (2 if kind == PUBREL else 0), body)


def disconnect(reason=None, properties=None):
    body = b"" if reason is None else bytes([reason]) + (b"" if properties is None else block(properties))
    return packet(0xE0, body)


PING = packet(0xC0)


class Packet:
    """One packet of the Server, taken apart."""

    def __init__(self, first_byte, body, version):
        self.first_byte, self.kind, self.flags = first_byte, first_byte >> 4, first_byte & 0x0F
        self.body, self.version = bytes(body), version
        self.reason, self.packet_id, self.properties = 0, None, []
        self.reasons, self.topic, self.payload, self.session_present = b"", None, None, None
        if self.kind == CONNACK:
            self._connack()
        elif self.kind == PUBLISH:
            self._publish()
        elif self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self._ack()
        elif self.kind in (SUBACK, UNSUBACK):
            self._list()
        elif self.kind in (DISCONNECT, AUTH) and body:
            self.reason = body[0]
            self.properties = read_properties(body, 1)[0] if len(body) > 1 else []

    def _connack(self):
        self.session_present, self.reason = bool(self.body[0]), self.body[1]
        if len(self.body) > 2:
            self.properties = read_properties(self.body, 2)[0]

    def _publish(self):
        self.qos, self.dup, self.retain = self.flags >> 1 & 3, bool(self.flags & 8), bool(self.flags & 1)
        self.topic, at = read_text(self.body, 0)
        if self.qos:
            self.packet_id, at = int.from_bytes(self.body[at:at + 2], "big"), at + 2
        if self.version >= 5:
            self.properties, at = read_properties(self.body, at)
        self.payload = self.body[at:]

    def _ack(self):
        self.packet_id = int.from_bytes(self.body[:2], "big")
        self.reason = self.body[2] if len(self.body) > 2 else 0
        self.properties = read_properties(self.body, 3)[0] if len(self.body) > 3 else []

    def _list(self):
        self.packet_id, at = int.from_bytes(self.body[:2], "big"), 2
        if self.version >= 5:
            self.properties, at = read_properties(self.body, at)
        self.reasons = self.body[at:]

    def get(self, identifier, otherwise=None):
        return next((value for found, value in self.properties if found == identifier), otherwise)

    def __str__(self):
        name = NAMES[self.kind] + (f" 0x{self.reason:02x}" if self.reason else "")
        detail = f" {self.topic!r}" if self.topic is not None else ""
        return name + detail + (f" {self.reasons.hex()}" if self.reasons else "")


# ---- A Client ----

class Client:
    """A connection to a listener. `tls` is an ssl.SSLContext; `at` a (host, port).

    What it sends may find the connection closed already: that is seen when reading.
    """

    def __init__(self, at, version=5, tls=None, source=None, host_name="localhost"):
        self.version, self.received = version, bytearray()
        self.socket = socket.create_connection(at, HANG_S, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname=host_name)
            except BaseException:
                self.socket.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes without a farewell, with RST: no port stays in TIME_WAIT."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *parts):
        try:
            self.socket.sendall(b"".join(parts))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass
        return self

    def _more(self):
        """False at the end of the connection."""
        try:
            some = self.socket.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):  # a refused certificate is an alert
            return False
        except TimeoutError:
            raise AssertionError(f"the Server sends nothing and does not close for {HANG_S} s") from None
        self.received += some
        return bool(some)

    def _take(self):
        """The first whole packet of what was received, or None."""
        received = self.received
        size = at = 0
        for at in range(1, 5):
            if len(received) <= at:
                return None
            size |= (received[at] & 0x7F) << 7 * (at - 1)
            if received[at] < 0x80:
                break
        if len(received) < at + 1 + size:
            return None
        taken = Packet(received[0], received[at + 1:at + 1 + size], self.version)
        del received[:at + 1 + size]
        return taken

    def read(self):
        """The next packet; None: the Server has closed."""
        while True:
            taken = self._take()
            if taken:
                return taken
            if not self._more():
                return None

    def waiting(self, seconds=0.0):
        """The packets that come within that time."""
        packets, until = [], time.monotonic() + seconds
        while True:
            taken = self._take()
            if taken:
                packets.append(taken)
                continue
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                some = self.socket.recv(1 << 18)
            except (TimeoutError, ssl.SSLWantReadError):
                return packets
            except ConnectionResetError:
                return packets
            finally:
                self.socket.settimeout(HANG_S)
            if not some:
                return packets
            self.received += some

    def expect(self, kind, reason=None):
        got = self.read()
        assert got, f"the Server closed where {NAMES[kind]} was due"
        assert got.kind == kind, f"the Server sent {got} where {NAMES[kind]} was due"
        if reason is not None:
            assert got.reason == reason, f"{got} where 0x{reason:02x} was due"
        return got

    def ends(self):
        """The connection ends now, without another packet."""
        got = self.read()
        assert got is None, f"the Server sent {got} where it had to close"
        assert not self.received, "the Server closed within a packet"

    def alive(self):
        """Everything sent so far was taken without complaint. Returns the packets that came before."""
        self.send(PING)
        before = []
        while True:
            got = self.read()
            assert got, "the Server closed a connection that is in order"
            if got.kind == PINGRESP:
                return before
            before.append(got)

    def connect(self, client_id="", reason=0, **options):
        self.send(connect(client_id, self.version, **options))
        return self.expect(CONNACK, reason)

    def subscribe(self, *filters, packet_id=1, properties=b""):
        """Returns the Reason Codes."""
        self.send(subscribe(list(filters), packet_id, self.version, properties))
        return self.expect(SUBACK).reasons

    def unsubscribe(self, *filters, packet_id=1):
        self.send(unsubscribe(list(filters), packet_id, self.version))
        return self.expect(UNSUBACK).reasons

    def publish(self, topic, payload=b"", qos=1, packet_id=1, **options):
        """Returns the Reason Code; 0 for QoS 0, which has no answer."""
        self.send(publish(topic, payload, qos, packet_id, self.version, **options))
        if qos == 0:
            return 0
        answer = self.expect(PUBACK if qos == 1 else PUBREC)
        assert answer.packet_id == packet_id, "the answer has another Packet Identifier"
        if qos == 2 and answer.reason < 0x80:
            self.send(ack(PUBREL, packet_id))
            self.expect(PUBCOMP)
        return answer.reason
