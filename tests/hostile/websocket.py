"""WebSocket: numbers 53 to 57, on the https listener at /mqtt."""

import base64
import itertools
import os
import ssl
import struct

import bench
import mqtt
from bench import number
from mqtt import connect, publish, subscribe

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ORIGIN = "https://dashboards.example"


def config(bench_):
    made = bench.plain_config("t/#", limits={"httpTimeout": 2, "connectTimeout": 2})
    made["gateway"]["listen"]["https"] = "127.0.0.1:0"
    made["gateway"]["anonymous"].append("https")
    made["gateway"]["tls"] = bench_.pki.config()
    made["gateway"]["websocket"] = {"origins": [ORIGIN]}
    return made


def frame(payload=b"", opcode=BINARY, fin=True, masked=True, rsv=0, length=None):
    """`length`: another one than the payload's."""
    length = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    out = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if length < 126:
        out += bytes([mask_bit | length])
    elif length < 1 << 16:
        out += bytes([mask_bit | 126]) + struct.pack(">H", length)
    else:
        out += bytes([mask_bit | 127]) + struct.pack(">Q", length)
    key = os.urandom(4)
    if masked:
        out += key
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return out + payload


def request(path="/mqtt", drop=(), **headers):
    """An upgrade request; `drop`: headers that are left out. Underscores of names stand for hyphens."""
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "mqtt",
              "Origin": ORIGIN}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"GET {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields.items() if name not in drop]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class WebSocket(mqtt.Client):
    """A Client whose bytes travel in frames. What is sent with send_frames is a frame already."""

    def __init__(self, bench_, request_bytes=None, **options):
        super().__init__(("127.0.0.1", bench_.gateway.ports["https"]), tls=bench_.pki.context(), **options)
        self.frames, self.closed_with = bytearray(), None
        self.socket.sendall(request_bytes or request())
        self.status, self.headers = self._answer()

    def _answer(self):
        while b"\r\n\r\n" not in self.frames:
            if not self._more_frames():
                return 0, ""
        head, _, rest = bytes(self.frames).partition(b"\r\n\r\n")
        self.frames = bytearray(rest)
        return int(head.split()[1]), head.decode("latin-1").lower()

    def _more_frames(self):
        try:
            some = self.socket.recv(1 << 16)
        except (ConnectionError, ssl.SSLError):
            return False
        except TimeoutError:
            raise AssertionError("the Server sends nothing and does not close") from None
        self.frames += some
        return bool(some)

    def _frame(self):
        """(opcode, payload) of the Server's next frame; None at the end."""
        while True:
            data = self.frames
            if len(data) >= 2:
                extra = {126: 2, 127: 8}.get(data[1], 0)
                if len(data) >= 2 + extra:
                    size = int.from_bytes(data[2:2 + extra], "big") if extra else data[1]
                    if len(data) >= 2 + extra + size:
                        found = data[0], bytes(data[2 + extra:2 + extra + size])
                        del data[:2 + extra + size]
                        assert not found[0] & 0x70, "the Server set a reserved bit"
                        return found[0] & 0x0F, found[1]
            if not self._more_frames():
                return None

    def _more(self):
        found = self._frame()
        if found and found[0] == CLOSE:
            self.closed_with = int.from_bytes(found[1][:2], "big") if found[1] else 1005
            return False
        if found and found[0] == BINARY:
            self.received += found[1]
        return found is not None

    def send_frames(self, *frames):
        try:
            self.socket.sendall(b"".join(frames))
        except (OSError, ssl.SSLError):
            pass
        return self

    def send(self, *parts):
        return self.send_frames(frame(b"".join(parts)))


def opened(bench_):
    client = WebSocket(bench_)
    assert client.status == 101 and "sec-websocket-protocol: mqtt" in client.headers, client.headers
    return client


@number(53, "Unmasked, huge, fragmented control, reserved and text frames")
def bad_frames(bench_):
    rows = {
        "unmasked": (frame(b"x", masked=False), {1002}),
        "2^63 bytes": (frame(b"x", length=1 << 63), {1002, 1009}),
        "2^62 bytes": (frame(b"x", length=1 << 62), {1002, 1009}),
        "4 GB": (frame(b"x", length=1 << 32), {1009}),
        "1 GB": (frame(b"x", length=1 << 30), {1009}),
        "fragmented ping": (frame(b"x", PING, fin=False), {1002}),
        "fragmented close": (frame(b"", CLOSE, fin=False), {1002}),
        "ping of 126 bytes": (frame(bytes(126), PING), {1002}),
        "text": (frame(b"hello", TEXT), {1003}),
        "text that is no UTF-8": (frame(b"\xff\xfe", TEXT), {1003, 1007}),
        "continuation of nothing": (frame(b"x", CONTINUATION), {1002}),
        "a message within a message": (frame(b"\x10", fin=False) + frame(b"x"), {1002}),
        "close of one byte": (frame(b"x", CLOSE), {1002}),
        "close with 1005": (frame(struct.pack(">H", 1005), CLOSE), {1002}),
        "length not minimal": (bytes([0x82, 0x80 | 126, 0, 1]) + bytes(5), {1002}),
    }
    rows |= {f"RSV {rsv}": (frame(b"x", rsv=rsv), {1002}) for rsv in (1, 2, 3, 4, 7)}
    rows |= {f"opcode {opcode}": (frame(b"x", opcode), {1002, 1003}) for opcode in (3, 7, 11, 15)}
    for before in (False, True):  # before CONNECT, and in a session
        for row, (bytes_, codes) in rows.items():
            with opened(bench_) as client:
                if before:
                    client.connect("")
                client.send_frames(bytes_).ends()
                assert client.closed_with in codes, f"{row}: closed with {client.closed_with}"


@number(54, "An MQTT header that claims more than the frame carries")
def short_frames(bench_):
    head = mqtt.packet(0x30, remaining=4096)
    with opened(bench_) as client:
        client.connect("")
        client.subscribe("t/#")
        client.send(head[:1]).send(head[1:2]).send(head[2:])
        assert not client.waiting(0.3), "a packet was taken before it came"
        client.send(mqtt.text("t/rest") + b"\0" + b"x" * 4087)
        assert client.expect(mqtt.PUBLISH).payload == b"x" * 4087
        client.send(head)
    bench_.gateway.connected().close()
    with opened(bench_) as client:
        client.send(mqtt.packet(0x10, remaining=200) + b"\0\4MQ").ends()  # the connect deadline
    with opened(bench_) as client:
        client.send(b"", b"")
        client.send_frames(frame(b""), frame(b"", fin=False), frame(b"", CONTINUATION))
        client.connect("")


@number(55, "One packet over many frames, many packets in one")
def across_frames(bench_):
    payload = os.urandom(20000)
    for version in (4, 5):
        whole = connect("ws", version) + subscribe(("t/#", 1), version=version) + \
            publish("t/a", payload, version=version) + mqtt.PING
        cuts = ([whole], [whole[i:i + 1] for i in range(len(whole))], [whole[i:i + 7] for i in range(0, len(whole), 7)])
        for pieces, as_fragments in itertools.product(cuts, (False, True)):
            with opened(bench_) as client:
                client.version = version
                frames = [frame(piece, CONTINUATION if as_fragments and i else BINARY,
                                fin=not as_fragments or i == len(pieces) - 1) for i, piece in enumerate(pieces)]
                # A ping may stand between fragments [RFC 6455, 5.4].
                client.send_frames(*frames[:3], frame(b"between", PING), *frames[3:])
                client.expect(mqtt.CONNACK, 0)
                client.expect(mqtt.SUBACK)
                assert client.expect(mqtt.PUBLISH).payload == payload
                client.expect(mqtt.PINGRESP)


@number(56, "permessage-deflate is not negotiated")
def no_compression(bench_):
    for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
                  "x-webkit-deflate-frame, permessage-deflate", "permessage-deflate, " * 100 + "x"):
        with WebSocket(bench_, request(Sec_WebSocket_Extensions=offer)) as client:
            assert client.status == 101, f"{client.status} to an offer of extensions"
            assert "sec-websocket-extensions" not in client.headers, "an extension was negotiated"
            client.send_frames(frame(b"\xaa" * 1000, rsv=4)).ends()  # a compressed message all the same
            assert client.closed_with == 1002


@number(57, "Foreign Origin, no subprotocol, huge headers")
def bad_requests(bench_):
    rows = {
        "no Origin": (request(drop=("Origin",)), {403}), "foreign Origin": (request(Origin="https://evil.example"), {403}),
        "Origin as a prefix": (request(Origin=ORIGIN + ".evil.example"), {403}),
        "Origin in http": (request(Origin=ORIGIN.replace("https", "http")), {403}),
        "Origin with another port": (request(Origin=ORIGIN + ":444"), {403}), "Origin null": (request(Origin="null"), {403}),
        "Origin empty": (request(Origin=""), {403}), "Origin twice": (two_origins(), {400, 403}),
        "no subprotocol": (request(drop=("Sec-WebSocket-Protocol",)), {400, 426}),
        "another subprotocol": (request(Sec_WebSocket_Protocol="wamp, stomp"), {400, 426}),
        "subprotocol as a prefix": (request(Sec_WebSocket_Protocol="mqttv9"), {400, 426}),
        "no key": (request(drop=("Sec-WebSocket-Key",)), {400}), "short key": (request(Sec_WebSocket_Key="eA=="), {400}),
        "version 8": (request(Sec_WebSocket_Version="8"), {400, 426}),
        "no Upgrade": (request(drop=("Upgrade",)), {400, 426}),
        "another path": (request("/other"), {404}), "path beside": (request("/mqtt/../x"), {400, 404}),
        "64 KB of one header": (request(X_Filler="x" * 65536), {400, 413, 431, 0}),
        "64 KB of many headers": (request(**{f"X_{i}": "y" * 40 for i in range(1400)}), {400, 413, 431, 0}),
        "64 KB of path": (request("/" + "m" * 65536), {400, 404, 414, 431, 0}),
        "POST": (request().replace(b"GET", b"POST"), {400, 404, 405, 426}),
        "HTTP/1.0": (request().replace(b"HTTP/1.1", b"HTTP/1.0"), {400, 426, 505}),
        "NUL in a header": (request(X_Nul="a\0b"), {400, 0}), "no HTTP": (b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0" * 20, {400, 408, 0}),
        "smuggled": (request(Content_Length="5", Transfer_Encoding="chunked"), {400, 0}),
    }
    for row, (bytes_, statuses) in rows.items():
        with WebSocket(bench_, bytes_) as client:
            assert client.status in statuses, f"{row}: {client.status}"
    with mqtt.Client(("127.0.0.1", bench_.gateway.ports["https"]), tls=bench_.pki.context()) as client:
        client.send(request()[:40])  # half a request: the deadline
        while client.socket.recv(1 << 16):
            pass
    opened(bench_).close()


def two_origins():
    return request().replace(b"Origin: ", b"Origin: https://evil.example\r\nOrigin: ")
