"""Python's paho-mqtt, over mutual TLS, against the gateway that paho_python.sh runs.

PORT is its TLS listener, PKI the folder of certificates; devices one and two may do all under t/.
"""
import os
import queue
import signal
import subprocess
import sys
import unittest

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

VERSIONS = [mqtt.MQTTv311, mqtt.MQTTv5]
HANG_S = 60  # for a machine that hangs, not a measure of time
SESSION_S = 3600
OFFLINE_COUNT = 30


class Client:
    """A client whose callbacks fill queues, so that a test waits for each event."""

    def __init__(self, name, version, keeps_session=False, will=None):
        self.version, self.keeps_session = version, keeps_session
        self.connected, self.subscribed = queue.Queue(), queue.Queue()
        self.published, self.messages = queue.Queue(), queue.Queue()
        options = {} if version == mqtt.MQTTv5 else {"clean_session": not keeps_session}
        self.client = mqtt.Client(client_id=name, protocol=version, **options)
        pki = os.environ["PKI"]
        self.client.tls_set(ca_certs=f"{pki}/ca.crt", certfile=f"{pki}/{name}.crt", keyfile=f"{pki}/{name}.key")
        self.client.on_connect = lambda client, user, flags, code, *rest: self.connected.put((int_of(code), flags))
        self.client.on_subscribe = lambda client, user, mid, granted, *rest: self.subscribed.put(granted)
        self.client.on_publish = lambda client, user, mid: self.published.put(mid)
        self.client.on_message = lambda client, user, message: self.messages.put(message)
        if will:
            self.client.will_set(will, b"died", qos=1)

    def connect(self):
        """Returns whether there was a session; starts the client's thread."""
        options = {}
        if self.version == mqtt.MQTTv5:
            options = {"clean_start": not self.keeps_session, "properties": Properties(PacketTypes.CONNECT)}
            options["properties"].SessionExpiryInterval = SESSION_S if self.keeps_session else 0
        self.client.connect("localhost", int(os.environ["PORT"]), **options)
        self.client.loop_start()
        code, flags = self.connected.get(timeout=HANG_S)
        assert code == 0, code
        return flags["session present"] == 1

    def subscribe(self, topic_filter, qos):
        self.client.subscribe(topic_filter, qos)
        granted = [int_of(code) for code in self.subscribed.get(timeout=HANG_S)]
        assert granted == [qos], granted

    def publish(self, topic, payload, qos, retain=False):
        """Returns when it is acknowledged; QoS 0 when it is written."""
        self.client.publish(topic, payload, qos, retain)
        self.published.get(timeout=HANG_S)

    def receive(self):
        message = self.messages.get(timeout=HANG_S)
        return message.topic, message.payload.decode(), message.qos, bool(message.retain)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def int_of(code):
    return code if isinstance(code, int) else code.value


class EachVersion(unittest.TestCase):
    def each_pair(self):
        """A publisher as device one and a subscriber as device two, for every pair of versions."""
        for sends in VERSIONS:
            for takes in VERSIONS:
                with self.subTest(sends=int(sends), takes=int(takes)):
                    publisher, subscriber = Client("one", sends), Client("two", takes)
                    publisher.connect()
                    subscriber.connect()
                    yield publisher, subscriber
                    publisher.leave()
                    subscriber.leave()

    def test_messages_flow_at_every_qos(self):
        for publisher, subscriber in self.each_pair():
            for granted in range(3):
                subscriber.subscribe("t/qos/+", granted)
                for qos in range(3):
                    publisher.publish("t/qos/a", f"{granted}{qos}", qos)
                    self.assertEqual(subscriber.receive(), ("t/qos/a", f"{granted}{qos}", min(granted, qos), False))

    def test_a_retained_message_greets_a_subscriber(self):
        for publisher, subscriber in self.each_pair():
            publisher.publish("t/kept", "on", 1, retain=True)
            subscriber.subscribe("t/kept", 1)
            self.assertEqual(subscriber.receive(), ("t/kept", "on", 1, True))
            publisher.publish("t/kept", "off", 1, retain=True)
            self.assertEqual(subscriber.receive(), ("t/kept", "off", 1, False))
            publisher.publish("t/kept", "", 1, retain=True)
            self.assertEqual(subscriber.receive(), ("t/kept", "", 1, False))
            late = Client("two", publisher.version)
            subscriber.leave()
            late.connect()
            late.subscribe("t/kept", 1)
            publisher.publish("t/kept", "next", 1)
            self.assertEqual(late.receive(), ("t/kept", "next", 1, False))  # and nothing before it
            late.leave()

    def test_a_will_is_published_when_its_client_dies(self):
        for version in VERSIONS:
            with self.subTest(version=int(version)):
                watcher = Client("one", version)
                watcher.connect()
                watcher.subscribe("t/will", 1)
                dying = subprocess.Popen([sys.executable, "-B", __file__, "die", str(int(version))],
                                         stdout=subprocess.PIPE)
                self.assertEqual(dying.stdout.readline(), b"connected\n")
                dying.send_signal(signal.SIGKILL)
                dying.wait()
                dying.stdout.close()
                self.assertEqual(watcher.receive(), ("t/will", "died", 1, False))
                watcher.leave()

    def test_a_session_keeps_what_comes_meanwhile(self):
        for version in VERSIONS:
            for qos in (1, 2):
                with self.subTest(version=int(version), qos=qos):
                    self.leave_and_come_back(version, qos)

    def leave_and_come_back(self, version, qos):
        away, publisher = Client("two", version, keeps_session=True), Client("one", version)
        self.assertFalse(away.connect())
        away.subscribe("t/session", 2)
        away.leave()
        publisher.connect()
        for number in range(OFFLINE_COUNT):
            publisher.publish("t/session", str(number), qos)
        back = Client("two", version, keeps_session=True)
        self.assertTrue(back.connect())
        publisher.publish("t/session", "last", qos)
        expected = [str(number) for number in range(OFFLINE_COUNT)] + ["last"]
        self.assertEqual([back.receive()[1] for _ in expected], expected)
        back.leave()
        publisher.leave()
        fresh = Client("two", version)  # ends the session, and finds nothing left
        self.assertFalse(fresh.connect())
        fresh.leave()


def be_a_client_that_dies(version):
    client = Client("two", version, will="t/will")
    client.connect()
    print("connected", flush=True)
    signal.pause()


if __name__ == "__main__":
    if sys.argv[1:2] == ["die"]:
        be_a_client_that_dies(int(sys.argv[2]))
    unittest.main(verbosity=2)
