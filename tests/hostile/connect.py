"""CONNECT: numbers 15 to 26."""

import itertools
import subprocess

import bench
import mqtt
from bench import expect_refused_connect, number
from mqtt import Will, connect, prop

VERSIONS = (4, 5)


def config(_bench):
    return bench.plain_config("t/#", "own/%c/#")


def refused(version, v3, v5):
    return v3 if version < 5 else v5


@number(15, "Another protocol level or name")
def protocol_level(bench_):
    gateway = bench_.gateway
    for level in (0, 1, 2, 3):
        expect_refused_connect(gateway, connect("x", level), 4, 0x01, f"level {level}")
    for level in (6, 7, 128, 255):
        expect_refused_connect(gateway, connect("x", level), 5, 0x84, f"level {level}")
    for name in (b"MQIsdp", b"MQTX", b"mqtt", b"MQTT\0", b"", b"M" * 10000):
        for version in VERSIONS:
            with gateway.client(4) as client:
                bench.expect_end(client.send(connect("x", version, protocol=name)), mqtt.CONNACK, {0x01, 0x84}, name)


@number(16, "Empty Client Identifier with Clean Session 0")
def empty_client_id(bench_):
    expect_refused_connect(bench_.gateway, connect("", 4, clean=False), 4, 0x02, "3.1.1")
    with bench_.gateway.client(5) as client:  # version 5 allows it, and is given one
        assert client.connect("", clean=False).get(mqtt.ASSIGNED_CLIENT_IDENTIFIER)
    with bench_.gateway.client(4) as client:
        client.connect("", clean=True)


FORBIDDEN_IDS = ("\0", "a\0b", "a\nb", "a\rb", "a\x1bb", "a\x7fb", "\t")
LITERAL_IDS = (".*", "[a-z]*", "(a|b)", "^own$", "..", ".", "%c", "%u", "%s%n", "$SYS", "$share", "a*", "?",
               "'\"\\", "ä", " ", "own")
# These would be more than one level or a wildcard where %c stands: they give nothing.
UNSUBSTITUTED_IDS = (".+", "+", "#", "a/b", "/", "../t", "+/+", "victim/#", "own/victim")


@number(17, "Client Identifier or User Name with special characters")
def special_names(bench_):
    gateway = bench_.gateway
    for version, name in itertools.product(VERSIONS, FORBIDDEN_IDS):
        with gateway.client(version) as client:
            got = client.send(connect(name, version)).read()
            # U+0000 is malformed [MQTT-1.5.4-2]; the rest is not a valid Client Identifier.
            assert got is None or got.reason in (0x81, 0x85, 0x02), f"{name!r}: {got}"
            assert client.read() is None
    for name in LITERAL_IDS:
        with gateway.connected(name) as client:
            assert client.publish(f"own/{name}/a") == 0, f"{name!r} may not publish to its own topic"
            assert client.publish("own/victim/a") == 0x87, f"{name!r} may publish to another's topic"
            assert client.subscribe(f"own/{name}/#", "own/victim/#", "own/+/a") == b"\0\x87\x87", repr(name)
    for name in UNSUBSTITUTED_IDS:
        with gateway.connected(name) as client:
            reasons = client.subscribe("own/victim/a", "own/+/+", "own/#", "#", "own/a/b/c")
            assert reasons == b"\x87" * 5, f"{name!r}: {reasons.hex()}"
            assert client.publish("own/victim/a") == 0x87 and client.publish("own/a/b/c") == 0x87, repr(name)
    special_user_names(bench_)


def passwd(bench_, gateway, name):
    """Whether `sluice passwd` takes this name."""
    done = subprocess.run([bench_.program, "passwd", "passwords", name, "--iterations", "4096"], cwd=gateway.folder,
                          input=b"right\n", check=False, capture_output=True)
    assert done.returncode in (0, 2), done.stderr
    return done.returncode == 0


def special_user_names(bench_):
    made = bench.plain_config()
    made["gateway"]["passwords"] = "passwords"
    made["gateway"]["access"].append({"who": "user:*", "publish": ["own/%u/#"], "subscribe": ["own/%u/#"]})
    with bench_.another(made, start=False) as gateway:
        names = [name for name in (*LITERAL_IDS, *UNSUBSTITUTED_IDS, "victim") if passwd(bench_, gateway, name)]
        assert {".*", "..", "%u", "$SYS", "+", "a/b", "victim/#"} < set(names), f"users: {names}"
        assert not any(passwd(bench_, gateway, name) for name in FORBIDDEN_IDS if "\0" not in name)
        gateway.start()
        for version, name in itertools.product(VERSIONS, FORBIDDEN_IDS + ("victim\0", "victim\n")):
            with gateway.client(version) as client:
                got = client.send(connect("x", version, user=name, password="right")).read()
                assert got is None or got.reason in (0x81, 0x86, 0x87, 0x04, 0x05), f"{name!r}: {got}"
        for name in names:
            with gateway.connected("x", user=name, password="right") as client:
                if name not in UNSUBSTITUTED_IDS:
                    assert client.publish(f"own/{name}/a") == 0, f"{name!r} may not publish to its own topic"
                    assert client.subscribe(f"own/{name}/#") == b"\0", f"{name!r} may not subscribe to its own topics"
                if name != "victim":
                    reasons = client.subscribe("own/victim/a", "own/victim/#", "own/+/a", "own/#", "#")
                    assert reasons == b"\x87" * 5, f"{name!r}: {reasons.hex()}"
                    assert client.publish("own/victim/a") == 0x87, repr(name)


@number(18, "Client Identifier of 65,535 bytes")
def long_client_id(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        for length in (257, 1000, 16000):
            expect_refused_connect(gateway, connect("x" * length, version), version, refused(version, 0x02, 0x85),
                                   f"{length} bytes")
        with gateway.client(version) as client:  # over the largest CONNECT, told or not
            got = client.send(connect("x" * 65535, version)).read()
            assert got is None or got.reason in (0x85, 0x95, 0x02), str(got)
            assert got is None or client.read() is None
        gateway.connected("x" * 256, version).close()


def bad_connects():
    """Property blocks of a CONNECT and of its will, with the Reason Codes that may refuse them."""
    def twice(identifier, value):
        return prop(identifier, value) * 2
    for identifier, value in ((0x11, 5), (0x15, "x"), (0x17, 1), (0x19, 1), (0x21, 5), (0x22, 5), (0x27, 500)):
        yield twice(identifier, value), b"", {0x82, 0x81}
    yield prop(0x16, "data"), b"", {0x82}  # Authentication Data without a method
    yield prop(0x17, 2), b"", {0x82}
    yield prop(0x19, 2), b"", {0x82}
    for identifier in (0x01, 0x02, 0x03, 0x08, 0x0B, 0x12, 0x13, 0x18, 0x1A, 0x1C, 0x1F, 0x23, 0x24, 0x25, 0x28, 0x29,
                       0x2A):
        value = "x" if mqtt.PROPERTY_KINDS[identifier] == mqtt.STRING else 1
        yield prop(identifier, value), b"", {0x81, 0x82}
    for identifier in (0x00, 0x04, 0x2B, 0x7F, 0xFF):
        yield bytes([identifier, 0, 0, 0, 1]), b"", {0x81}
    yield b"\x21\x00", b"", {0x81}  # a Receive Maximum of one byte
    yield b"\x26\x00\x05na", b"", {0x81}
    for identifier, value in ((0x01, 1), (0x02, 5), (0x03, "x"), (0x08, "x"), (0x09, "x"), (0x18, 5)):
        yield b"", twice(identifier, value), {0x82, 0x81}
    for identifier in (0x0B, 0x11, 0x15, 0x21, 0x22, 0x23, 0x27, 0x1F):
        value = "x" if mqtt.PROPERTY_KINDS[identifier] == mqtt.STRING else 1
        yield b"", prop(identifier, value), {0x81, 0x82}
    yield b"", prop(0x01, 2), {0x82, 0x81}
    yield b"", prop(0x08, "t/#"), {0x81, 0x82, 0x90}


@number(19, "User Name without a password, and a password that is wrong")
def missing_passwords(bench_):
    made = bench.plain_config()
    made["gateway"]["passwords"] = "passwords"
    made["gateway"]["access"].append({"who": "user:*", "publish": ["user/%u/#"], "subscribe": ["user/%u/#"]})
    with bench_.another(made, start=False) as gateway:
        assert passwd(bench_, gateway, "ann")
        gateway.start()
        for version in VERSIONS:
            def refused(row, reasons, **options):
                with gateway.client(version) as client:
                    bench.expect_end(client.send(connect("x", version, **options)), mqtt.CONNACK, reasons, row)
            bad = {0x04, 0x05} if version == 4 else {0x86, 0x87}
            for user in ("ann", "nobody", "", "+", "#", "ann\r\n", "ann/", "ANN", "a" * 5000, "'; --", "$argon2"):
                refused(f"{user!r} without a password", bad, user=user)
                for password in ("", "wrong", "right ", "Right", b"right\0", b"\0", b"\xff" * 5000):
                    refused(f"{user!r} with {password!r}", bad, user=user, password=password)
            with gateway.client(version) as client:
                client.connect("x", user="ann", password="right")
                client.alive()
            # A password without a User Name: 3.1.1 forbids it [MQTT-3.1.2-22]; version 5 does not, and knows nobody by it.
            with gateway.client(version) as client:
                got = client.send(connect("x", version, password="right")).read()
                assert got is None or got.reason, f"a password alone: {got}"
        flags_without_fields(gateway)


def flags_without_fields(gateway):
    """The flag says that there is a User Name or a password, and the packet ends before it."""
    for version, flags in itertools.product(VERSIONS, (0x82, 0xC2, 0x42)):
        with gateway.client(version) as client:
            got = client.send(connect("x", version, flags=flags)).read()
            assert got is None or got.kind == mqtt.CONNACK and got.reason == 0x81, f"flags {flags:#x}: {got}"


@number(20, "Duplicate and illegal properties of CONNECT and will")
def bad_properties(bench_):
    rows, count = list(bad_connects()), bench_.count(1000, 100000)
    for i in range(count):
        properties, will_properties, reasons = rows[i % len(rows)]
        bytes_ = connect("bad", 5, properties=properties, will=Will("t/will", properties=will_properties))
        with bench_.gateway.client(source=f"127.0.0.{i // 20000 + 2}") as client:
            bench.expect_end(client.send(bytes_), mqtt.CONNACK, reasons, f"{properties.hex()} {will_properties.hex()}")
    return f"{count} CONNECTs"


def cpu_of(gateway, run):
    before = gateway.cpu_s()
    run()
    return gateway.cpu_s() - before


@number(21, "60 KB of User Properties")
def many_properties(bench_):
    gateway = bench_.gateway
    many = prop(mqtt.USER_PROPERTY, ("", "")) * (60 * 1024 // 5)
    with gateway.client() as client:
        got = client.send(connect("x", properties=many)).read()
        assert got is None or got.reason in (0x95, 0x97), str(got)
        assert got is None or client.read() is None

    for bytes_ in (mqtt.publish("t/many", qos=1, properties=many), mqtt.subscribe("t/y", properties=many),
                   mqtt.unsubscribe("t/y", properties=many), mqtt.disconnect(0, many)):
        with gateway.connected() as client:
            got = client.send(bytes_).read()
            assert got and set(got.reasons or [got.reason]) <= {0x95, 0x97}, f"{mqtt.NAMES[bytes_[0] >> 4]}: {got}"

    def publishes(properties, count):
        with gateway.connected() as client:
            for _ in range(count):
                assert client.publish("t/many", properties=properties) == 0

    # Below the cap, the same bytes in packets four times as large: the time must not grow with the square.
    count, large = bench_.count(200, 5000), many[:16000]
    publishes(large, 5)
    small_s = cpu_of(gateway, lambda: publishes(large[:4000], count * 4))
    large_s = cpu_of(gateway, lambda: publishes(large, count))
    assert large_s < 2 * small_s + 0.2, f"{small_s:.2f} s of CPU for packets of 4 KB, {large_s:.2f} s for ones of 16 KB"


BAD_WILL_TOPICS = (("t/#", 0x90), ("t/+", 0x90), ("#", 0x90), ("", 0x90), ("t/\0", 0x81), ("$SYS/broker/x", 0x90),
                   ("$share/g/t/a", 0x90), ("elsewhere", 0x87), ("t/" + "/" * 20, 0x90))


@number(22, "Will Topic that is none or not allowed")
def bad_wills(bench_):
    gateway = bench_.gateway
    for version, (topic, reason) in itertools.product(VERSIONS, BAD_WILL_TOPICS):
        with gateway.client(version) as client:
            got = client.send(connect("w", version, will=Will(topic))).read()
            assert version < 5 or got, f"{topic!r}: closed without a CONNACK"
            allowed = {reason, 0x81, 0x82} if reason in (0x90, 0x81) else {reason}
            if topic.startswith("$"):
                allowed.add(0x87)
            assert got is None or version < 5 and got.reason or got.reason in allowed, f"{topic!r}: {got}"
            assert got is None or client.read() is None
    checked_again_when_it_fires(bench_)


def will_config(*topics):
    return bench.plain_config("out/#", *topics, limits={"sessionExpiryMax": 4294967295})


def checked_again_when_it_fires(bench_):
    """Two wills wait, over a reload and over a restart; the one that the rules no longer allow is not published."""
    durable = prop(mqtt.SESSION_EXPIRY, 600)
    for restarts in (False, True):
        with bench_.another(will_config("will/#")) as gateway:
            with gateway.connected("watcher", properties=durable) as watcher:
                assert watcher.subscribe(("will/#", 1), ("out/#", 1)) == b"\1\1"
            dying = [gateway.connected(topic, properties=durable, will=Will(topic, qos=1, properties=prop(
                mqtt.WILL_DELAY, delay_s))) for topic, delay_s in (("will/gone", 1), ("out/gone", 2))]
            gateway.config["gateway"]["access"][0]["publish"].remove("will/#")
            if restarts:
                gateway.kill()
                gateway.start()
            else:
                gateway.reload()
            for client in dying:
                client.reset()
            with gateway.client() as watcher:
                watcher.connect("watcher", clean=False, properties=durable)
                first = watcher.expect(mqtt.PUBLISH).topic
                assert first == b"out/gone", f"{first} was published, which the rules no longer allow"
            assert gateway.dropped("not_allowed") == 1, "the will that was not published is not counted"


def die(gateway, name, delay_s, expiry_s):
    """A Client with a will vanishes."""
    gateway.connected(name, properties=prop(mqtt.SESSION_EXPIRY, expiry_s), will=Will(
        f"will/{name}", qos=1, properties=prop(mqtt.WILL_DELAY, delay_s))).reset()


def come_and_go(gateway, name, clean=False):
    gateway.connected(name, clean=clean, properties=prop(mqtt.SESSION_EXPIRY, 600)).send(mqtt.disconnect()).ends()


@number(23, "Will Delay over Session Expiry, and returns within it")
def will_delays(bench_):
    attempts = [(delay_s, delay_s) for delay_s in (2, 8, 32)]
    bench.first_in_time(attempts, lambda delay_s, late: within_one_run(bench_, delay_s, late))
    bench.first_in_time(attempts, lambda delay_s, late: over_a_restart(bench_, delay_s, late))


def within_one_run(bench_, delay_s, late):
    with bench_.another(will_config("will/#")) as gateway, gateway.connected("watcher") as watcher:
        watcher.subscribe(("will/#", 1))
        die(gateway, "session-ends", 3600, 1)  # published when the session ends
        die(gateway, "no-session", 3600, 0)  # at once
        die(gateway, "returns", delay_s, 600)
        die(gateway, "starts-clean", 3600, 600)
        come_and_go(gateway, "returns")  # not at all
        too_late = late()
        come_and_go(gateway, "starts-clean", clean=True)  # at once: its session ended
        first = gateway.connected("taken-over", properties=prop(mqtt.SESSION_EXPIRY, 600),
                                  will=Will("will/taken-over", qos=1, properties=prop(mqtt.WILL_DELAY, 3600)))
        come_and_go(gateway, "taken-over")  # continues the session within the delay: not at all
        first.expect(mqtt.DISCONNECT, 0x8E)
        first.close()
        first = gateway.connected("taken-at-once", will=Will("will/taken-at-once", qos=1))
        gateway.connected("taken-at-once").close()  # no delay and no session: published
        first.close()
        die(gateway, "last", delay_s + 1, 600)
        found = wills_until(watcher, b"will/last")
    if too_late:
        return None
    assert found == [b"will/last", b"will/no-session", b"will/session-ends", b"will/starts-clean",
                     b"will/taken-at-once"], str(found)
    return ""


def wills_until(watcher, last):
    found = []
    while not found or found[-1] != last:
        got = watcher.expect(mqtt.PUBLISH)
        found.append(got.topic)
        watcher.send(mqtt.ack(mqtt.PUBACK, got.packet_id))
    return sorted(found)


def over_a_restart(bench_, delay_s, late):
    """Killed inside the delay, the gateway publishes the wills after it, but not that of who returned."""
    durable = prop(mqtt.SESSION_EXPIRY, 600)
    with bench_.another(will_config("will/#")) as gateway:
        with gateway.connected("watcher", properties=durable) as watcher:
            watcher.subscribe(("will/#", 1))
        die(gateway, "vanished-before", delay_s, 600)
        rows = (("connected", delay_s, 600), ("returns", delay_s, 600), ("session-ends", 3600, 1), ("last", delay_s + 1, 600))
        dying = [gateway.connected(name, properties=prop(mqtt.SESSION_EXPIRY, expiry_s), will=Will(
            f"will/{name}", qos=1, properties=prop(mqtt.WILL_DELAY, wait_s))) for name, wait_s, expiry_s in rows]
        gateway.kill()
        for client in dying:
            client.close()
        gateway.start()
        come_and_go(gateway, "returns")
        too_late = late()
        with gateway.client() as watcher:
            watcher.connect("watcher", clean=False, properties=durable)
            found = wills_until(watcher, b"will/last")
    if too_late:
        return None
    assert found == [b"will/connected", b"will/last", b"will/session-ends", b"will/vanished-before"], str(found)
    return ""


# As milliseconds in 32 bits the last two are 0, and the rest soon.
ENDLESS = ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 600), (0xFFFFFFFE, 0xFFFFFFFE), (0x80000000, 0xFFFFFFFF),
           (0x20000000, 0x20000000))


@number(24, "Will Delay or Session Expiry of 0xFFFFFFFF")
def endless_times(bench_):
    with bench_.another(will_config("will/#")) as gateway:
        with gateway.connected("watcher", properties=prop(mqtt.SESSION_EXPIRY, 0xFFFFFFFF)) as watcher:
            watcher.subscribe(("will/#", 1))
            for i, (delay_s, expiry_s) in enumerate(ENDLESS):
                die(gateway, f"endless-{i}", delay_s, expiry_s)
            die(gateway, "marker-1", 1, 600)
            assert wills_until(watcher, b"will/marker-1") == [b"will/marker-1"]
        gateway.kill()
        gateway.start()
        die(gateway, "marker-2", 1, 600)
        with gateway.client() as watcher:
            assert watcher.connect("watcher", clean=False).session_present, "the session that never expires did"
            # Of the first one, its PUBACK may have died with the gateway, and that it was published.
            found = set(wills_until(watcher, b"will/marker-2"))
            assert found <= {b"will/marker-1", b"will/marker-2"}, f"{found} came, due in a hundred years"
        for i in range(len(ENDLESS)):
            with gateway.client() as client:
                assert client.connect(f"endless-{i}", clean=False).session_present, f"{ENDLESS[i]}: its session ended"
                # It was 0 at this CONNECT, and so it may not be set now [MQTT-3.14.2-2].
                client.send(mqtt.disconnect(0, prop(mqtt.SESSION_EXPIRY, 0xFFFFFFFF))).expect(mqtt.DISCONNECT, 0x82)


@number(25, "Keep Alive 0 or 65535")
def keep_alive(bench_):
    for asked in (0, 65535):
        with bench_.gateway.client() as client:
            got = client.connect("", keep_alive=asked)
            assert got.get(mqtt.SERVER_KEEP_ALIVE) == 3600, str(got.properties)
    with bench_.another(bench.plain_config("t/#", limits={"keepAliveMax": 1})) as gateway:
        for asked in (0, 65535):
            with gateway.client() as client:
                assert client.connect("", keep_alive=asked).get(mqtt.SERVER_KEEP_ALIVE) == 1
                client.expect(mqtt.DISCONNECT, 0x8D)
                client.ends()


@number(26, "Receive Maximum 0 or Maximum Packet Size 0")
def zero_maxima(bench_):
    for properties in (prop(mqtt.RECEIVE_MAXIMUM, 0), prop(mqtt.MAXIMUM_PACKET_SIZE, 0)):
        expect_refused_connect(bench_.gateway, connect("x", properties=properties), 5, 0x82, properties.hex())
    # The least that is allowed is kept to: a CONNACK that is larger is not sent.
    with bench_.gateway.client() as client:
        client.send(connect("x", properties=prop(mqtt.MAXIMUM_PACKET_SIZE, 1)))
        got = client.read()
        assert got is None, f"{got} is larger than the Client takes"
    with bench_.gateway.connected("one", properties=prop(mqtt.RECEIVE_MAXIMUM, 1)) as client:
        client.subscribe(("t/one", 2))
        for packet_id in (1, 2, 3):
            client.send(mqtt.publish("t/one", qos=2, packet_id=packet_id))
        messages = [got for got in client.alive() if got.kind == mqtt.PUBLISH]
        assert len(messages) == 1, f"{len(messages)} messages to a Receive Maximum of 1"
