"""State: numbers 44 to 52."""

import itertools
import os
import random
import select
import socket
import time

import bench
import mqtt
from bench import expect_disconnected, number, wait_until
from mqtt import ack, connect, prop, publish, subscribe

VERSIONS = (4, 5)
DURABLE = prop(mqtt.SESSION_EXPIRY, 3600)


def config(_bench):
    return bench.plain_config("t/#", "big/#")


@number(44, "QoS 2 PUBLISH with one identifier, without PUBREL")
def repeated_qos_2(bench_):
    gateway, count = bench_.gateway, bench_.count(20000, 1000000)
    for version in VERSIONS:
        with gateway.connected("reader", version) as reader, gateway.connected("repeater", version) as client:
            reader.subscribe(("t/#", 1))
            one = publish("t/two", "x", 2, 7, version, dup=True)
            for sent in range(0, count, 500):
                client.send(one * 500)
                for _ in range(500):
                    assert client.expect(mqtt.PUBREC).packet_id == 7
            messages = [got for got in reader.alive() if got.kind == mqtt.PUBLISH]
            assert len(messages) == 1, f"{len(messages)} messages of one Packet Identifier"
            client.send(ack(mqtt.PUBREL, 7)).expect(mqtt.PUBCOMP, 0)
            client.send(one).expect(mqtt.PUBREC)  # after PUBREL it is a new message
            assert len(reader.alive()) == 1
    return f"{count} PUBLISH each"


@number(45, "Acknowledgements of unknown or wrong-type identifiers")
def unknown_acks(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        with gateway.connected("acks", version) as client:
            for packet_id in (1, 2, 777, 65535):
                client.send(ack(mqtt.PUBREL, packet_id))
                assert client.expect(mqtt.PUBCOMP, 0x92 if version == 5 else 0).packet_id == packet_id
                client.send(ack(mqtt.PUBREC, packet_id))
                assert client.expect(mqtt.PUBREL, 0x92 if version == 5 else 0).packet_id == packet_id
                client.send(ack(mqtt.PUBACK, packet_id), ack(mqtt.PUBCOMP, packet_id))
                assert not client.alive(), "an answer to PUBACK or PUBCOMP"
            for kind in (mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP):  # no state: nothing grows
                client.send(ack(kind, 9) * 2000)
            client.alive()
        for kind in (mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP):
            expect_disconnected(gateway, ack(kind, 0), version, {0x81, 0x82}, f"{mqtt.NAMES[kind]} 0")
    wrong_type_acks(gateway)


def wrong_type_acks(gateway):
    """PUBACK for a QoS 2 message, PUBREC for QoS 1, PUBCOMP before PUBREC: refused, or of no effect."""
    for qos, kind in ((2, mqtt.PUBACK), (1, mqtt.PUBREC), (2, mqtt.PUBCOMP), (1, mqtt.PUBCOMP)):
        with gateway.connected("wrong", properties=DURABLE) as client, gateway.connected("pub") as publisher:
            client.subscribe(("t/type", qos))
            publisher.publish("t/type", "x", qos)
            packet_id = client.expect(mqtt.PUBLISH).packet_id
            client.send(ack(kind, packet_id), mqtt.PING)
            got = client.read()
            assert got and (got.kind == mqtt.PINGRESP or got.kind == mqtt.DISCONNECT and got.reason == 0x82), str(got)
        with gateway.client() as client:  # the message is still owed
            client.connect("wrong", clean=False)
            assert client.expect(mqtt.PUBLISH).packet_id == packet_id


@number(46, "Over the Receive Maximum")
def over_receive_maximum(bench_):
    with bench_.gateway.client() as client:
        maximum = client.connect("").get(mqtt.RECEIVE_MAXIMUM)
        client.send(b"".join(publish("t/rm", "x", 2, packet_id) for packet_id in range(1, maximum + 1)))
        for _ in range(maximum):
            client.expect(mqtt.PUBREC)
        client.send(publish("t/rm", "x", 0), publish("t/rm", "x", 2, 1, dup=True))  # neither counts
        client.expect(mqtt.PUBREC)
        client.send(publish("t/rm", "x", 1, maximum + 1)).expect(mqtt.DISCONNECT, 0x93)
        client.ends()
    return f"Receive Maximum {maximum}"


class Churn:
    """One of many sockets that all are the same Client."""

    def __init__(self, gateway, version, random_):
        self.gateway, self.version, self.random, self.socket = gateway, version, random_, None
        self.open()

    def open(self):
        self.close()
        self.socket = socket.create_connection(("127.0.0.1", self.gateway.ports["mqtt"]))
        self.socket.setblocking(False)
        self.write(connect("one-for-all", self.version, clean=self.random.random() < 0.5,
                           properties=DURABLE if self.random.random() < 0.5 else b""))

    def write(self, bytes_):
        try:
            self.socket.send(bytes_)
        except OSError:
            pass

    def turn(self):
        """Reads what is there; a closed one comes back."""
        try:
            if not self.socket.recv(1 << 16):
                return self.open()
        except BlockingIOError:
            pass
        except OSError:
            return self.open()
        version, packet_id = self.version, self.random.randrange(1, 200)
        self.write(self.random.choice((
            subscribe([("t/churn", 2), ("t/+", 1)], packet_id, version), mqtt.unsubscribe("t/churn", packet_id, version),
            publish("t/churn", "x" * 100, 2, packet_id, version) * 3, publish("t/churn", "y", 1, packet_id, version) * 5,
            ack(mqtt.PUBREL, packet_id), ack(mqtt.PUBACK, packet_id), ack(mqtt.PUBREC, packet_id),
            ack(mqtt.PUBCOMP, packet_id), mqtt.disconnect())))
        return None

    def close(self):
        if self.socket:
            self.socket.close()


@number(47, "One Client Identifier from 100 sockets")
def one_client_of_many_sockets(bench_):
    gateway, random_ = bench_.gateway, random.Random(47)
    churns = [Churn(gateway, VERSIONS[i % 2], random_) for i in range(100)]
    for _ in range(bench_.count(60, 10000)):
        for churn in churns:
            churn.turn()
    for churn in churns:
        churn.close()
    with gateway.connected("one-for-all") as last, gateway.connected("publisher") as publisher:
        assert last.subscribe(("t/last", 1)) == b"\1"
        publisher.publish("t/last", "x")
        assert [got.topic for got in last.alive()] == [b"t/last"], "there is more than one session"


class Reader:
    """A subscriber as the standard wants it: the identifiers that it holds outlive its connections, as the
    session does. After `steps` packets it kills the gateway."""

    def __init__(self, gateway):
        self.gateway, self.held, self.seen = gateway, set(), []

    def take(self, got):
        if got.kind == mqtt.PUBLISH:
            if got.packet_id not in self.held:
                self.seen.append(int(got.payload))
            self.held.add(got.packet_id)
            return ack(mqtt.PUBREC, got.packet_id)
        assert got.kind == mqtt.PUBREL, str(got)
        self.held.discard(got.packet_id)
        return ack(mqtt.PUBCOMP, got.packet_id)

    def read(self, enough, steps=-1):
        """Until enough() or killed."""
        with self.gateway.client() as client:
            client.connect("reader", clean=False, properties=DURABLE)
            while not enough():
                got = client.read()
                assert got, "the Server closed a connection that is in order"
                client.send(self.take(got))
                steps -= 1
                if steps == 0:
                    self.gateway.kill()
                    return
            while rest := client.alive():
                for got in rest:
                    client.send(self.take(got))


@number(48, "Killed between delivery and commit of a QoS 2 identifier")
def killed_before_commit(bench_):
    """Publisher and subscriber resume after each kill as the standard says; each message comes exactly once."""
    random_, count = random.Random(48), bench_.count(6, 100)
    with bench_.another(bench.plain_config("t/#")) as gateway:
        reader = Reader(gateway)
        with gateway.connected("reader", properties=DURABLE) as client:
            client.subscribe(("t/#", 2))
        gateway.connected("writer", properties=DURABLE).close()
        sent, owed = 0, None
        for _ in range(count):
            sent, owed = write_until_killed(gateway, sent, owed, random_)
            gateway.start()
            reader.read(lambda: len(reader.seen) >= sent, random_.randrange(1, 30))
            if gateway.process.poll() is not None:
                gateway.start()
        while owed:
            sent, owed = write_until_killed(gateway, sent, owed, None)
        reader.read(lambda: len(reader.seen) >= sent)
    assert reader.seen == list(range(1, sent + 1)), f"{reader.seen}: a message is lost, came twice or out of order"
    return f"up to {2 * count} kills, {sent} messages"


def write_until_killed(gateway, sent, owed, random_):
    """Publishes one after the other until the gateway is killed at a random step; `owed`: the half-done message.

    Returns how many were completed or begun, and what is owed now: (number, released).
    """
    steps = random_.randrange(1, 40) if random_ else -1
    with gateway.client() as client:
        client.connect("writer", clean=False, properties=DURABLE)
        while True:
            number_, released = owed or (sent + 1, False)
            sent = max(sent, number_)
            repeated = owed is not None
            for kind in (mqtt.PUBREC, mqtt.PUBCOMP):
                if kind == mqtt.PUBREC and released:
                    continue
                if kind == mqtt.PUBREC:
                    client.send(publish("t/once", str(number_), 2, number_, dup=repeated))
                else:
                    client.send(ack(mqtt.PUBREL, number_))
                owed, steps = (number_, kind == mqtt.PUBCOMP), steps - 1
                if steps == 0:
                    gateway.kill()
                    return sent, owed
                assert client.expect(kind).reason in (0, 0x10, 0x92 if repeated else 0)
            owed = None
            if not random_:
                return sent, owed


@number(49, "A subscriber that never reads")
def never_reads(bench_):
    total, size = bench_.count(48 << 20, 1 << 30), 64 << 10
    limits = {"queueBytes": 8 << 20, "queueSize": 1000}
    with bench_.another(bench.plain_config("big/#", limits=limits)) as gateway:
        highest = before = gateway.memory()
        deaf = gateway.connected("deaf")
        deaf.subscribe(("big/#", 1))
        with gateway.connected("other") as other, gateway.connected("publisher") as publisher, \
                bench.healthy_beside(gateway) as healthy:
            other.subscribe(("big/mark", 1))
            for i in range(total // size):
                publisher.publish("big/x", bytes(size), qos=i % 2)
                if i % 100 == 0:
                    highest = max(highest, gateway.memory())
                    other.publish("big/mark", str(i), qos=0)
                    assert other.expect(mqtt.PUBLISH).payload == str(i).encode(), "the others wait"
            report = healthy.report()
        # What a connection and its queue may hold, with what the allocator and a sanitizer add.
        bound = (8 << 20) + (1 << 20) + (96 << 20 if bench_.sanitized else 8 << 20)
        assert highest - before < bound, f"memory grew by {highest - before >> 10} kB"
        deaf.close()
        gateway.stop()
        dropped = gateway.ledger()["dropped"]
        assert dropped.get("queue_full", 0) + dropped.get("too_slow", 0) > total // size // 2, str(dropped)
    return f"{total >> 20} MB, p99 beside them {report['p99_ms']:.2f} ms, memory +{highest - before >> 10} kB, dropped {dropped}"


@number(50, "Persistent sessions that never return")
def sessions_never_return(bench_):
    quota = bench_.count(500, 100000)
    with bench_.another(bench.plain_config("t/#", limits={"sessions": quota})) as gateway:
        before = gateway.memory()
        assert leave_sessions(gateway, quota + 50) == 50, "not the last ones were refused"
        bytes_each = (gateway.memory() - before) / quota
        gateway.kill()
        gateway.start()
        assert leave_sessions(gateway, quota + 50) == 50, "who has a session, and only they, come in after a restart"
    limits = {"sessions": quota, "sessionExpiryMax": bench_.count(2, 60)}
    with bench_.another(bench.plain_config("t/#", limits=limits)) as gateway:
        for _ in range(2):
            leave_sessions(gateway, quota)
            gateway.restart()  # some expire before it, and the others after it
            wait_until(lambda: leave_sessions(gateway, 1, "new") == 0, "the expiry of sessions")
    return f"{quota} sessions, {bytes_each:.0f} B each"


def leave_sessions(gateway, count, name="gone"):
    """Durable sessions, some with a subscription, made a hundred at a time; how many were refused for the quota."""
    refused, durable = 0, prop(mqtt.SESSION_EXPIRY, 0xFFFFFFFF)
    for begin in range(0, count, 100):
        clients = [gateway.client() for _ in range(begin, min(begin + 100, count))]
        for i, client in enumerate(clients):
            client.send(connect(f"{name}-{begin + i}", clean=False, properties=durable))
        for i, client in enumerate(clients):
            got = client.expect(mqtt.CONNACK)
            assert got.reason in (0, 0x97), str(got)
            refused += got.reason == 0x97
            if got.reason == 0 and i % 10 == 0:
                client.subscribe(("t/#", 1))
            client.send(mqtt.disconnect()).ends()
            client.close()
    return refused


@number(51, "Packet Identifiers with 65,535 in flight")
def packet_ids_wrap(bench_):
    everything, more = 65535, 200
    limits = {"inflightMaximum": everything, "queueSize": 200000, "outputBytes": 1 << 30}
    with bench_.another(bench.plain_config("t/#", limits=limits)) as gateway:
        with gateway.connected("reader", properties=prop(mqtt.RECEIVE_MAXIMUM, everything)) as reader, \
                gateway.connected("publisher") as publisher:
            reader.subscribe(("t/many", 1))
            for i in range(0, everything + more, 500):
                publisher.send(b"".join(publish("t/many", "x", 1, 1 + i % 500) for i in range(500)))
                for _ in range(500):
                    publisher.expect(mqtt.PUBACK)
            held = [got.packet_id for got in reader.alive()]
            assert len(held) == everything and set(held) == set(range(1, 65536)), \
                f"{len(held)} in flight, {len(set(held))} identifiers"
            freed = {held[100], held[3], held[-1], held[0], held[1]}
            reader.send(*[ack(mqtt.PUBACK, packet_id) for packet_id in freed])
            again = [got.packet_id for got in (reader.expect(mqtt.PUBLISH), *reader.alive())]
            assert set(again) <= freed and len(again) == len(set(again)), f"{again} while {freed} are free"


CRAFTED_IDS = ("../../../../tmp/evil", "/etc/passwd", "..", ".", "a'; DROP TABLE sessions; --", "a\" OR 1=1 --", "%s%n%x",
               "sluice.db", "journal", "a%00b", "session:1", "queue/1", "1", "-1", "NULL", "\\..\\..", "x" * 255, "ä" * 127,
               "a\u0301", "\u00e1", "A", "a", " a", "a ", "*", "_%", "$SYS/broker", "auto-0000000000000000")


@number(52, "Client Identifier as path, SQL or storage key")
def crafted_ids(bench_):
    with bench_.another(bench.plain_config("t/#")) as gateway:
        for i, name in enumerate(CRAFTED_IDS):
            with gateway.client() as client:
                assert not client.connect(name, properties=DURABLE).session_present, f"{name!r} has another's session"
                client.subscribe((f"t/{i}", 1))
        with gateway.connected("publisher") as publisher:
            for i in range(len(CRAFTED_IDS)):
                publisher.publish(f"t/{i}", str(i))
        files = sorted(os.listdir(gateway.folder)), sorted(os.listdir(os.path.join(gateway.folder, "data")))
        assert files[0] == ["data", "log", "out", "serverless.yml"], str(files)
        assert not os.path.exists("/tmp/evil")
        gateway.kill()
        gateway.start()
        for i, name in enumerate(CRAFTED_IDS):
            with gateway.client() as client:
                assert client.connect(name, clean=False).session_present, f"{name!r} is gone after a restart"
                assert client.expect(mqtt.PUBLISH).payload == str(i).encode(), f"{name!r} got another's message"
                assert not client.alive()
