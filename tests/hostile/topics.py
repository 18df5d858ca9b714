"""Topics: numbers 27 to 35."""

import itertools
import json
import os
import subprocess
import time
import unicodedata

import bench
import mqtt
from bench import expect_disconnected, expect_refused_connect, number, wait_until
from mqtt import Will, ack, connect, packet, prop, publish, subscribe, text, u16, unsubscribe

VERSIONS = (4, 5)


def config(_bench):
    return bench.plain_config("t/#", "a/#", "+/+/+/+/#", "ctl/#")


# ---- 27 ----

@number(27, "65,500 slashes")
def slashes(bench_):
    gateway = bench_.gateway
    for count in (16, 100, 1000, 65500, 65535):  # 16 levels are allowed, and so 15 slashes
        many = "/" * count
        with gateway.connected() as client:
            assert client.subscribe(many) == b"\x8f", f"SUBSCRIBE with {count}"
            assert client.subscribe("t" + "/+" * (count // 2 - 1)) == (b"\0" if count <= 16 else b"\x8f")
            if count < 65535:
                assert client.unsubscribe(many) == b"\x11", f"UNSUBSCRIBE with {count}"
            for qos in (1, 2):
                assert client.publish(many, qos=qos) == 0x90, f"PUBLISH with {count}"
            client.publish(many, qos=0)
            client.alive()
        with gateway.connected(version=4) as client:
            assert client.subscribe(many) == b"\x80"
            client.send(publish(many, version=4)).alive()
        expect_disconnected(gateway, publish(many, qos=1, version=4), 4, None, f"PUBLISH with {count}")
        if count < 16000:  # over the largest CONNECT a will's topic cannot be
            expect_refused_connect(gateway, connect("w", will=Will(many)), 5, 0x90, f"will with {count}")
        else:
            with gateway.client() as client:
                got = client.send(connect("w", will=Will(many))).read()
                assert got is None or got.reason in (0x90, 0x95), str(got)
    with gateway.connected() as client:
        assert client.subscribe("/" * 15) == b"\0", "15 slashes are 16 levels, which are allowed"


# ---- 28 ----

BAD_TEXT = {
    "U+0000": b"a\0b", "lone continuation": b"a\x80", "cut off": b"a\xc3", "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xc0\x80", "overlong of three": b"\xe0\x80\xaf", "overlong of four": b"\xf0\x80\x80\xaf",
    "high surrogate": b"\xed\xa0\x80", "low surrogate": b"\xed\xbf\xbf", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "over U+10FFFF": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80", "0xFE": b"\xfe", "0xFF": b"\xff",
}
UTF8_WILL_PROPERTIES = (mqtt.CONTENT_TYPE, mqtt.RESPONSE_TOPIC)


def connects_with(bad):
    yield "protocol name", connect("x", protocol=bad)
    yield "Client Identifier", connect(bad)
    yield "User Name", connect("x", user=bad, password="p")
    yield "Will Topic", connect("x", will=Will(b"t/" + bad))
    for identifier in UTF8_WILL_PROPERTIES:
        yield f"will's {identifier:#x}", connect("x", will=Will("t/w", properties=prop(identifier, bad)))
    for where in ((bad, "v"), ("n", bad)):
        yield "User Property", connect("x", properties=prop(mqtt.USER_PROPERTY, where))
        yield "will's User Property", connect("x", will=Will("t/w", properties=prop(mqtt.USER_PROPERTY, where)))
    yield "Authentication Method", connect("x", properties=prop(mqtt.AUTHENTICATION_METHOD, bad))


def packets_with(bad):
    yield "Topic Name", publish(b"t/" + bad)
    for identifier in UTF8_WILL_PROPERTIES:
        yield f"{identifier:#x} of PUBLISH", publish("t/x", properties=prop(identifier, bad))
    yield "Topic Filter", subscribe(b"t/" + bad)
    yield "Topic Filter of UNSUBSCRIBE", unsubscribe(b"t/" + bad)
    yield "Shared Subscription", subscribe(b"$share/" + bad + b"/t/a")
    for where in ((bad, "v"), ("n", bad)):
        pair = prop(mqtt.USER_PROPERTY, where)
        yield "User Property of PUBLISH", publish("t/x", properties=pair)
        yield "User Property of SUBSCRIBE", subscribe("t/x", properties=pair)
        yield "User Property of UNSUBSCRIBE", unsubscribe("t/x", properties=pair)
        yield "User Property of PUBACK", ack(mqtt.PUBACK, 1, 0, pair)
        yield "User Property of DISCONNECT", mqtt.disconnect(0, pair)
    for kind in (mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP):
        yield f"Reason String of {mqtt.NAMES[kind]}", ack(kind, 1, 0, prop(mqtt.REASON_STRING, bad))
    yield "Reason String of DISCONNECT", mqtt.disconnect(0, prop(mqtt.REASON_STRING, bad))
    yield "Authentication Method", packet(0xF0, b"\x18" + mqtt.block(prop(mqtt.AUTHENTICATION_METHOD, bad)))


@number(28, "Invalid UTF-8 in every string")
def invalid_utf8(bench_):
    gateway = bench_.gateway
    with gateway.connected("reader") as reader:
        reader.subscribe("t/#")
        for name, bad in BAD_TEXT.items():
            for where, bytes_ in connects_with(bad):
                with gateway.client() as client:
                    got = client.send(bytes_).read()
                    told = {0x81, 0x82, 0x84, 0x01} if where == "protocol name" else {0x81}
                    assert got is None or got.kind == mqtt.CONNACK and got.reason in told, f"{name}, {where}: {got}"
                    assert got is None or client.read() is None
            for where, bytes_ in packets_with(bad):
                expect_disconnected(gateway, bytes_, 5, {0x81, 0x8F, 0x90}, f"{name}, {where}")
            for bytes_ in (publish(b"t/" + bad, version=4), subscribe(b"t/" + bad, version=4)):
                expect_disconnected(gateway, bytes_, 4, None, name)
        assert not reader.alive(), "a malformed packet was relayed"
        with gateway.connected() as client:  # binary parts may be anything
            client.publish("t/bin", bytes(range(256)), qos=0, properties=prop(mqtt.CORRELATION_DATA, b"\xff\0"))
            got = reader.expect(mqtt.PUBLISH)
            assert got.payload == bytes(range(256)) and got.get(mqtt.CORRELATION_DATA) == b"\xff\0"


# ---- 29 ----

HOSTILE_TOPICS = ("ctl/a\r\nb", "ctl/\n{\"level\":\"ERROR\"}", "ctl/\x1b[2J", "ctl/\x07\x08\x7f", "ctl/\"},{\"x\":\"",
                  "ctl/\\u0000\\", "ctl/\x01\x1f", "ctl/\u0085\u2028", "ctl/HTTP/1.1 200 OK\r\n\r\n", "ctl/'; --")


def functions_config(bench_):
    made = bench.plain_config("ctl/#", "out/#")
    program = os.path.join(bench_.build, "tests", "echo.so")
    event = {"iot": {"sql": "SELECT *, topic() AS topic FROM 'ctl/#'"}}
    made["functions"] = {
        "echo": {"handler": program, "runtime": "native", "events": [event], "reply": "out/${topic}"},
        "faulty": {"handler": os.path.join(bench_.build, "tests", "faulty.so"), "runtime": "native",
                   "maximumRetryAttempts": 0, "events": [event]},
    }
    return made


@number(29, "Control characters in a topic")
def control_characters(bench_):
    with bench_.another(functions_config(bench_)) as gateway:
        taken = []
        with gateway.connected("reader") as reader, gateway.connected("c") as client:
            reader.subscribe("ctl/#")
            for topic in HOSTILE_TOPICS:
                client.send(publish(topic, b"{\"do\":\"fail\"}", 1))
                got = client.read()
                assert got and (got.kind == mqtt.PUBACK and got.reason in (0, 0x90) or got.reason in (0x90, 0x81)), got
                if got.kind != mqtt.PUBACK:
                    client = gateway.connected("c")
                elif got.reason == 0:
                    taken.append(topic)
                    assert reader.expect(mqtt.PUBLISH).topic == topic.encode(), "another topic was relayed"
            client.close()
        wait_until(lambda: len(dead_letters(bench_, gateway)) >= len(taken), "the end of all events")
        assert len(dead_letters(bench_, gateway)) == len(taken), dead_letters(bench_, gateway)
        gateway.stop()
        ledger = gateway.ledger()
        assert ledger["accepted"] == ledger["invoked"] + ledger["deadLetters"] == 2 * len(taken), ledger
        for line in lines_of(gateway.log()):
            assert line.split(" ")[0] in ("DEBUG", "INFO", "WARNING", "ERROR"), f"a broken line in the log: {line!r}"
    return f"{len(taken)} of {len(HOSTILE_TOPICS)} topics taken"


def dead_letters(bench_, gateway):
    listed = subprocess.run([bench_.program, "dlq", "ls"], cwd=gateway.folder, check=True, capture_output=True)
    return lines_of(listed.stdout)[:-1]  # the last one is their number


def lines_of(output):
    """The lines of a log or a list, which must be free of control characters."""
    lines = output.decode().removesuffix("\n").split("\n")
    for line in lines:
        assert all(unicodedata.category(character) != "Cc" for character in line), f"a control character: {line!r}"
    return lines


# ---- 30, 31 ----

@number(30, "Empty topic, and wildcards in a Topic Name")
def bad_topic_names(bench_):
    for version in VERSIONS:
        for qos in (0, 1, 2):
            expect_disconnected(bench_.gateway, publish("", "x", qos, version=version), version, {0x82, 0x90}, "empty")
            for topic in ("#", "+", "t/#", "t/+", "t/a+", "a#b", "+/t"):
                expect_disconnected(bench_.gateway, publish(topic, "x", qos, version=version), version, {0x82, 0x90},
                                    topic)
    for topic in ("#", "t/+", "+", ""):
        expect_disconnected(bench_.gateway, publish("t/x", properties=prop(mqtt.RESPONSE_TOPIC, topic)), 5,
                            {0x82, 0x90}, f"Response Topic {topic!r}")
        expect_refused_connect(bench_.gateway, connect("w", will=Will("t/w", properties=prop(
            mqtt.RESPONSE_TOPIC, topic))), 5, {0x82, 0x90}, f"will's Response Topic {topic!r}")


def aliased(topic, alias, **options):
    return publish(topic, "x", properties=prop(mqtt.TOPIC_ALIAS, alias), **options)


@number(31, "Topic Alias 0, over the maximum, unknown, from before")
def topic_aliases(bench_):
    gateway = bench_.gateway
    expect_disconnected(gateway, aliased("t/x", 0), 5, 0x94, "0")
    with gateway.client() as client:
        maximum = client.connect("").get(mqtt.TOPIC_ALIAS_MAXIMUM)
    for alias in (maximum + 1, 65535):
        for topic in ("t/x", ""):
            expect_disconnected(gateway, aliased(topic, alias), 5, 0x94, f"{alias}")
    for alias in (1, maximum):
        expect_disconnected(gateway, aliased("", alias), 5, {0x82, 0x94}, f"unknown {alias}")
    twice = publish("t/x", properties=prop(mqtt.TOPIC_ALIAS, 1) * 2)
    expect_disconnected(gateway, twice, 5, {0x81, 0x82}, "twice")
    with gateway.connected("keeps", properties=prop(mqtt.SESSION_EXPIRY, 600)) as client:
        client.send(aliased("t/x", 1), aliased("", 1)).alive()
    with gateway.client() as client:  # the session is kept, its aliases are not [MQTT-3.3.2-7]
        assert client.connect("keeps", clean=False, properties=prop(mqtt.SESSION_EXPIRY, 0)).session_present
        client.send(aliased("", 1)).expect(mqtt.DISCONNECT)
    with gateway.connected("owner") as client, gateway.connected("other") as other:
        client.send(aliased("t/x", 1)).alive()
        other.send(aliased("", 1)).expect(mqtt.DISCONNECT)
        client.send(aliased("", 1)).alive()
    with gateway.connected("denied") as client:  # what a refused PUBLISH names is still what its alias means
        client.send(aliased("elsewhere", 1), aliased("", 1, qos=1, packet_id=5))
        assert client.expect(mqtt.PUBACK).reason == 0x87


# ---- 32, 33 ----

@number(32, "Malformed Shared Subscriptions")
def malformed_shares(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        for name in ("$share/", "$share//t", "$share/g", "$share/g/", "$share/g+/t", "$share/g#/t", "$share/+/t",
                     "$share/#", "$share", "$share//", "$share/g/t/#/x", "$share/g/a+", "$share/" + "g" * 60000 + "/t/x"):
            with gateway.connected(version=version) as client:
                got = client.send(subscribe(name, version=version)).read()
                if version == 5:
                    assert got.kind == mqtt.DISCONNECT or got.reasons[0] in (0x8F, 0x87), f"{name[:30]}: {got}"
                else:
                    assert got is None or got.reasons[0] == 0x80, f"{name[:30]}: {got}"
    no_local = subscribe(("$share/g/t/x", 0x04))
    expect_disconnected(gateway, no_local, 5, 0x82, "No Local")  # [MQTT-3.8.3-4]
    for options in (0x03, 0x30, 0x40, 0x80, 0x3C):
        expect_disconnected(gateway, subscribe(("t/x", options)), 5, {0x81, 0x82}, f"Subscription Options {options:#x}")


@number(33, "Plain and shared subscriptions to one filter, in every order")
def shared_in_every_order(bench_):
    gateway = bench_.gateway
    filters = ("t/x", "$share/g/t/x", "$share/h/t/x", "t/#")
    publisher = gateway.connected("publisher")
    for _ in range(bench_.count(1, 200)):
        with gateway.connected("one") as one, gateway.connected("two") as two:
            for made, ended in itertools.product(itertools.permutations(filters), repeat=2):
                for client in (one, two):
                    assert client.subscribe(*made) == b"\0" * len(made)
                left = set(filters)
                for name in ended:
                    assert one.unsubscribe(name) == b"\0"
                    left.discard(name)
                publisher.publish("t/x", "y", 0)
                publisher.alive()
                assert not one.alive(), "a message came after the last subscription ended"
                assert len(two.alive()) == 3, "one copy, and one of each group"
                assert two.unsubscribe(*ended) == b"\0" * len(ended)
                assert two.unsubscribe(*ended) == b"\x11" * len(ended), "it was unsubscribed twice"
    publisher.close()


# ---- 34, 35 ----

@number(34, "SUBSCRIBE with none, 100,000, a million filters")
def many_filters(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        expect_disconnected(gateway, subscribe([], version=version), version, 0x82, "no filter")
        expect_disconnected(gateway, unsubscribe([], version=version), version, 0x82, "no filter to unsubscribe")
        expect_disconnected(gateway, subscribe(["t/x"] * 100000, version=version), version, {0x95, 0x97}, "100,000")
    with gateway.connected() as client:
        got = client.send(subscribe([f"t/{i}" for i in range(20000)])).read()
        if got.kind == mqtt.SUBACK:
            assert got.reasons.count(0) <= 1000 and set(got.reasons) <= {0, 0x97}, str(set(got.reasons))
        else:
            assert got.reason in (0x95, 0x97, 0x82), str(got)
    with gateway.connected() as client:
        granted = 0
        for i in range(bench_.count(40, 10000)):
            reasons = client.subscribe(*[f"t/{i}/{j}" for j in range(100)])
            granted += reasons.count(0)
            assert set(reasons) <= {0, 0x97}, str(set(reasons))
        assert granted == 1000, f"{granted} subscriptions of one Client"
        assert client.subscribe("t/0/0") == b"\0", "what is there may be subscribed again"
        client.publish("t/0/0", "x", qos=0)
        assert client.expect(mqtt.PUBLISH).topic == b"t/0/0"


@number(35, "Adversarial tries", keeps_peak=True)
def adversarial_trie(bench_):
    gateway, clients = bench_.gateway, []
    patterns = itertools.product("a+", repeat=16)
    for _ in range(bench_.count(8, 64)):  # each at its limit of subscriptions
        client = gateway.connected()
        clients.append(client)
        names = ["/".join(next(patterns)) for _ in range(1000)]
        for at in range(0, 1000, 100):
            reasons = client.subscribe(*names[at:at + 100])
            assert set(reasons) <= {0, 0x87}, str(set(reasons))
    with gateway.connected() as publisher:
        count = 100
        before = gateway.cpu_s()
        for _ in range(count):
            publisher.publish("/".join("a" * 16), "x", qos=0)
        publisher.alive()
        each_ms = (gateway.cpu_s() - before) / count * 1000
    for client in clients:
        client.close()
    # All nodes of the trie match; no path is walked twice, so a node costs well under a microsecond.
    bound_ms = len(clients) * 1000 * 2 * 0.001 * (20 if bench_.sanitized else 1)
    assert each_ms < bound_ms, f"{each_ms:.1f} ms of CPU for a PUBLISH, and at most {bound_ms} is due"
    turns_of_a_burst(bench_)
    return f"{each_ms:.2f} ms a PUBLISH against {len(clients)} x 1,000 filters"


def turns_of_a_burst(bench_):
    """A burst that is taken in many turns is taken to its end, even when nothing else happens meanwhile."""
    made = bench.plain_config("+/+/+/+/#", sys={"interval": 0})
    with bench_.another(made) as gateway, gateway.connected() as reader, gateway.connected() as publisher:
        for at in range(10):
            reader.subscribe(*["/".join(pattern) for pattern in itertools.islice(
                itertools.product("a+", repeat=10), at * 100, at * 100 + 100)])
        publisher.send(b"".join(publish("/".join("a" * 10), "x", 1, packet_id) for packet_id in range(1, 501)))
        for _ in range(500):
            publisher.expect(mqtt.PUBACK, 0)
        assert len(reader.alive()) == 500
