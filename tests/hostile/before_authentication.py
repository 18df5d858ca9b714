"""Before authentication, and framing: numbers 1 to 14."""

import itertools
import socket
import ssl
import time

import bench
import mqtt
from bench import expect_disconnected, expect_end, expect_refused_connect, number, wait_until
from mqtt import ack, connect, packet, prop, publish, subscribe, text, u16, unsubscribe, varint

HUGE = 268435455
VERSIONS = (4, 5)
DEADLINE_S = 2  # for a CONNECT
DEADLINES = {"connectTimeout": DEADLINE_S, "handshakeTimeout": 5}


def handshakes(bench_):
    """At once."""
    return bench_.count(50, 250)


def config(bench_):
    made = bench.plain_config("t/#", limits={**DEADLINES, "handshakes": handshakes(bench_)})
    made["gateway"]["listen"]["mqtts"] = "127.0.0.1:0"
    made["gateway"]["tls"] = bench_.pki.config()
    return made


def silent_end(gateway, packet_bytes, row):
    with gateway.client() as client:
        client.send(packet_bytes)
        expect_end(client, None, None, row)


@number(1, "First packet that is no CONNECT")
def first_packet(bench_):
    gateway = bench_.gateway
    for first_byte in range(256):
        if first_byte >> 4 == mqtt.CONNECT:
            continue
        silent_end(gateway, packet(first_byte, text("t/a") + b"x"), f"first byte {first_byte:#04x}")
    for row in (mqtt.PING, packet(0xF0), packet(0x00), publish("t/a", "x"), publish("t/a", "x", qos=2)):
        silent_end(gateway, row, row.hex())
    return memory_of_a_connection(bench_, b"")


def memory_of_a_connection(bench_, first_bytes, counts=(2000, 1000, 500)):
    """What the gateway holds for a connection that sent this and no more, by the growth of many."""
    gateway, idle = bench_.gateway, bench_.idle_descriptors

    def growth(count, late):
        before = gateway.memory()
        sockets = [gateway.client() for _ in range(count)]
        for client in sockets:
            client.send(first_bytes)
        wait_until(lambda: gateway.descriptors() >= idle + count or late(), "the opening of all connections")
        bytes_each = (gateway.memory() - before) / count
        too_late = late()
        for client in sockets:
            expect_end(client, None, None, "silence")
            client.close()
        wait_until(lambda: gateway.descriptors() <= idle, "the end of the connections")
        return None if too_late else bytes_each

    wait_until(lambda: gateway.descriptors() <= idle, "the end of earlier connections")
    bytes_each = bench.first_in_time([(DEADLINE_S, count) for count in counts], growth)
    if not bench_.sanitized:  # which pads every allocation
        assert bytes_each < 1024 + len(first_bytes), f"{bytes_each:.0f} bytes for a connection"
    return f"{bytes_each:.0f} B a connection"


@number(2, "CONNECT that claims 256 MB, then silence")
def claimed_size(bench_):
    head = packet(0x10, remaining=HUGE) + text("MQTT")
    for _ in range(bench_.count(200, 1000)):
        silent_end(bench_.gateway, head, "268,435,455 bytes")
    # The most that is not refused at once is kept until the deadline.
    return memory_of_a_connection(bench_, packet(0x10, remaining=16000) + text("MQTT") + b"\x05")


@number(3, "CONNECT, a byte at a time")
def dripping_connect(bench_):
    with bench_.gateway.client() as client:
        client.socket.settimeout(0.2)  # the pace of the bytes
        for byte in itertools.islice(itertools.cycle(packet(0x10, remaining=10000) + b"\0" * 500), 300):
            client.send(bytes([byte]))
            try:
                assert client.socket.recv(1) == b"", "an answer to half a CONNECT"
                return
            except TimeoutError:
                continue
            except ConnectionResetError:
                return
        raise AssertionError("half a CONNECT is open after a minute, and the deadline is 2 s")


@number(4, "Silent connections up to the limit")
def silent_connections(bench_):
    attempts = [(DEADLINE_S, limit) for limit in (bench_.count(300, 5000), 100, 30)]
    return bench.first_in_time(attempts, lambda limit, late: silent_to(bench_, limit, late))


def silent_to(bench_, limit, late):
    limits = {**DEADLINES, "connections": limit, "connectionsPerAddress": limit}
    with bench_.another(bench.plain_config("t/#", limits=limits)) as gateway:
        gateway.warm_up_journal("t/a")
        idle = gateway.descriptors()
        with gateway.connected("inside") as inside:
            assert inside.subscribe("t/a") == b"\0"
            silent = [gateway.client() for _ in range(limit - 1)]
            with gateway.client() as one_more:
                refusal = one_more.send(connect()).read()
            inside.publish("t/a", "through", qos=0)
            assert inside.expect(mqtt.PUBLISH).payload == b"through"
            too_late = late()
            assert refusal is None or too_late, f"one over the limit got {refusal}"
            for client in silent:
                expect_end(client, None, None, "silence")
                client.close()
            gateway.connected().close()
            inside.alive()
        wait_until(lambda: gateway.descriptors() <= idle, "the return of descriptors")
    return None if too_late else f"{limit} connections"


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


@number(5, "Half TLS handshakes", keeps_peak=True)
def half_handshakes(bench_):
    gateway, hello, count = bench_.gateway, client_hello(), bench_.count(100, 1000)
    at_most = bench_.idle_descriptors + 2 * handshakes(bench_)  # some may be closing
    with gateway.tls_client("inside") as inside:
        inside.connect("inside")
        half = []
        for i in range(count):  # silent ones, half a hello, and a whole one without what follows it
            half.append(mqtt.Client(("127.0.0.1", gateway.ports["mqtts"])))
            half[-1].send(hello[:(0, len(hello) // 2, len(hello))[i % 3]])
            if i % 50 == 0:
                inside.alive()
                assert gateway.descriptors() <= at_most, "more handshakes at once than allowed"
        with gateway.tls_client("late") as late:  # it waits for its turn
            late.connect("late")
            late.alive()
        inside.alive()
        for client in half:
            while client.socket.recv(1 << 16):
                pass
            client.close()


@number(6, "Remaining Length of five bytes or not minimal")
def remaining_length(bench_):
    for length in (b"\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x00", b"\x80\x00", b"\xff\x80\x00", b"\x80\x80\x80\x00"):
        silent_end(bench_.gateway, packet(0x10, remaining=length) + text("MQTT"), length.hex())
        for version, first_byte in itertools.product(VERSIONS, (0x30, 0x82, 0xC0, 0xE0)):
            expect_disconnected(bench_.gateway, packet(first_byte, remaining=length) + bytes(16), version, 0x81,
                                f"{first_byte:#x} {length.hex()}")


@number(7, "Variable Byte Integer of five bytes within a packet")
def long_varint(bench_):
    gateway, five = bench_.gateway, b"\xff\xff\xff\xff\x01"
    head = text("MQTT") + b"\x05\x02" + u16(60)
    will_head = text("MQTT") + b"\x05\x06" + u16(60) + b"\0" + text("")
    for row, body in (("Property Length", head + five + text("")),
                      ("will's Property Length", will_head + five + text("t/a") + text("x"))):
        expect_refused_connect(gateway, packet(0x10, body), 5, 0x81, row)
    rows = {
        "PUBLISH's Property Length": packet(0x30, text("t/a") + five + b"x"),
        "SUBSCRIBE's Property Length": packet(0x82, u16(1) + five + text("t/a") + b"\0"),
        "UNSUBSCRIBE's Property Length": packet(0xA2, u16(1) + five + text("t/a")),
        "PUBACK's Property Length": packet(0x40, u16(1) + b"\0" + five),
        "DISCONNECT's Property Length": packet(0xE0, b"\0" + five),
        "AUTH's Property Length": packet(0xF0, b"\x18" + five),
        "Subscription Identifier": packet(0x82, u16(1) + varint(6) + b"\x0b" + five + text("t/a") + b"\0"),
        "Property Length not minimal": packet(0x30, text("t/a") + b"\x80\0" + b"x"),
    }
    for row, bytes_ in rows.items():
        expect_disconnected(gateway, bytes_, 5, 0x81, row)


def whole_packets(version):
    """A packet of each type that a Client sends, whose last byte matters."""
    reason = prop(mqtt.REASON_STRING, "why") if version == 5 else None
    rows = [subscribe("t/a", version=version), unsubscribe("t/a", version=version),
            publish("", b"", version=version, properties=prop(mqtt.TOPIC_ALIAS, 1))]
    for kind in (mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP):
        rows.append(ack(kind, 7, 0, reason) if version == 5 else ack(kind, 7))
    if version == 5:
        rows += [mqtt.disconnect(0, reason), packet(0xF0, b"\x18" + mqtt.block(prop(mqtt.AUTHENTICATION_METHOD, "x")))]
    return rows


@number(8, "Remaining Length one more or less than the content")
def wrong_length(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        good = connect("wrong-length", version, will=mqtt.Will("t/a"), user="u", password="p")
        for change in (-1, 1):
            wrong = packet(0x10, good[2:] + b"\0", len(good) - 2 + change)
            expect_refused_connect(gateway, wrong, version, 0x81 if version == 5 else None, f"CONNECT {change:+}")
        for good in whole_packets(version):
            for change in (-1,) if good[0] >> 4 == mqtt.PUBLISH else (-1, 1):  # its payload may be any length
                wrong = packet(good[0], good[2:] + b"\0", len(good) - 2 + change)
                expect_disconnected(gateway, wrong, version, 0x81, f"{mqtt.NAMES[good[0] >> 4]} {change:+}")
        for first_byte in (0xC0, 0xE0):
            if (first_byte, version) != (0xE0, 5):  # whose one byte is a Reason Code
                expect_disconnected(gateway, packet(first_byte, b"\0"), version, 0x81, mqtt.NAMES[first_byte >> 4])


@number(9, "Wrong flags in the fixed header")
def wrong_flags(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        for flags in range(1, 16):
            silent_end(gateway, connect("flags", version, first_byte=0x10 | flags), f"CONNECT {flags}")
        for good in whole_packets(version) + [mqtt.PING, mqtt.disconnect()]:
            if good[0] >> 4 == mqtt.PUBLISH:
                continue
            for flags in set(range(16)) - {good[0] & 15}:
                wrong = bytes([good[0] & 0xF0 | flags]) + good[1:]
                expect_disconnected(gateway, wrong, version, 0x81, f"{mqtt.NAMES[good[0] >> 4]} {flags}")
        for flags in (0x06, 0x07, 0x0E, 0x0F, 0x08, 0x09):  # QoS 3; DUP at QoS 0
            body = text("t/a") + u16(1) + (b"\0" if version == 5 else b"")
            expect_disconnected(gateway, packet(0x30 | flags, body), version, {0x81, 0x82}, f"PUBLISH {flags}")


@number(10, "Packets that only a Server sends")
def server_packets(bench_):
    for version in VERSIONS:
        rows = {"CONNACK": b"\x20\x03\0\0\0" if version == 5 else b"\x20\x02\0\0",
                "SUBACK": packet(0x90, u16(1) + (b"\0" if version == 5 else b"") + b"\0"),
                "UNSUBACK": packet(0xB0, u16(1) + (b"\0\0" if version == 5 else b"")),
                "PINGRESP": packet(0xD0)}
        for row, bytes_ in rows.items():
            expect_disconnected(bench_.gateway, bytes_, version, 0x82, row)


@number(11, "Second CONNECT")
def second_connect(bench_):
    for version, second in itertools.product(VERSIONS, VERSIONS):
        expect_disconnected(bench_.gateway, connect("second", second), version, 0x82, f"{version}, then {second}")


def conversation(version):
    parts = [connect("talker", version), subscribe([("t/+", 2)], version=version)]
    parts += [publish("t/a", bytes([i]) * i, i % 3, 10 + i, version) for i in range(9)]
    parts += [unsubscribe("t/+", version=version), mqtt.PING]
    return b"".join(parts)


def answers(gateway, version, pieces):
    with gateway.client(version) as client:
        for piece in pieces:
            client.send(piece)
        found = []
        while not found or found[-1].kind != mqtt.PINGRESP:
            found.append(client.read())
            assert found[-1], "the Server closed a conversation that is in order"
    return [(one.kind, one.reason, one.reasons, one.topic, one.payload) for one in found]


@number(12, "A byte a segment, and 10,000 packets in one")
def segments(bench_):
    for version in VERSIONS:
        whole = conversation(version)
        at_once = answers(bench_.gateway, version, [whole])
        by_byte = answers(bench_.gateway, version, [bytes([byte]) for byte in whole])
        assert at_once == by_byte, f"{at_once}\n{by_byte}"
        with bench_.gateway.connected(version=version) as client:
            client.send(mqtt.PING * 10000)
            for _ in range(10000):
                client.expect(mqtt.PINGRESP)
            client.subscribe("t/many")
            client.send(b"".join(publish("t/many", str(i), version=version) for i in range(10000)))
            for i in range(10000):
                assert client.expect(mqtt.PUBLISH).payload == str(i).encode()
            client.alive()


@number(13, "Connections that come and go")
def cycles(bench_):
    gateway, count = bench_.gateway, bench_.count(3000, 1000000)
    hello = connect("cycle")
    for i in range(count):
        client = gateway.client(source=f"127.0.{i // 250 % 250}.{i % 250 + 1}")
        if i % 4 > 0:
            client.send(hello)
        if i % 4 > 1:
            client.expect(mqtt.CONNACK, 0)
        if i % 4 == 3:
            client.send(mqtt.disconnect()).ends()
        client.reset()
    wait_until(lambda: gateway.connected().close() is None, "another connection")
    return f"{count} connections"


@number(14, "HTTP, TLS or a PROXY line on the plain port")
def other_protocols(bench_):
    rows = (b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n", b"POST /mqtt HTTP/1.1\r\n\r\n", client_hello(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 1883\r\n", b"\r\n\r\n\0\r\nQUIT\n" + bytes(32), b"SSH-2.0-x\r\n")
    for _ in range(bench_.count(100, 10000)):
        for row in rows:
            silent_end(bench_.gateway, row, repr(row[:20]))
