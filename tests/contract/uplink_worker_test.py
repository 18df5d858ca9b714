"""The uplink worker as it is installed, over the worker protocol, against a remote Server that each test plays.

    uplink_worker_test.py WORKER
"""

import os
import socket
import sys
import time
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "hostile"))

import mqtt
import worker_peer
from worker_peer import FUNCTION, HANG_S, THROTTLED, TRANSPORT, Worker

EXECUTABLE = None
INFLIGHT = 100


class Link:
    """One connection that the worker has made, seen from the remote Server."""

    def __init__(self, connection, version):
        self.socket, self.version, self.input = connection, version, b""
        connection.settimeout(HANG_S)

    def send(self, data):
        self.socket.sendall(data)

    def is_quiet(self):
        """Nothing has come that was not read."""
        self.socket.setblocking(False)
        try:
            return not self.input and not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(HANG_S)

    def receive(self):
        """(kind, flags, body) of the next packet; None when the worker has closed."""
        while True:
            packet = self.take()
            if packet:
                return packet
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.input += more

    def take(self):
        if len(self.input) < 2 or (self.input[1] >= 0x80 and len(self.input) < 5):
            return None
        length, at = mqtt.read_varint(self.input, 1)
        if len(self.input) < at + length:
            return None
        first, body = self.input[0], self.input[at:at + length]
        self.input = self.input[at + length:]
        return first >> 4, first & 0x0F, body

    def expect(self, kind):
        packet = self.receive()
        assert packet and packet[0] == kind, f"{packet} and not {mqtt.NAMES[kind]}"
        return packet

    def connect(self):
        return self.expect(mqtt.CONNECT)[2]

    def accept(self, properties=b"", reason=0):
        self.connect()
        self.send(mqtt.packet(0x20, bytes([0, reason]) + mqtt.block(mqtt.in_version(self.version, properties))))
        return self

    def publish(self):
        """(Packet Identifier, topic, payload, RETAIN) of the next PUBLISH, which has QoS 1; `properties` are its."""
        _, flags, body = self.expect(mqtt.PUBLISH)
        assert flags >> 1 & 3 == 1, "QoS 1"
        topic, at = mqtt.read_text(body, 0)
        packet_id, at = int.from_bytes(body[at:at + 2], "big"), at + 2
        if self.version == 5:
            self.properties, at = mqtt.read_properties(body, at)
        return packet_id, topic.decode(), body[at:], flags & 1

    def acknowledge(self, packet_id, reason=None):
        self.send(mqtt.ack(mqtt.PUBACK, packet_id, reason))

    def close(self):
        self.socket.close()


class Remote:
    def __init__(self, version=5):
        self.version, self.links = version, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(HANG_S)

    def url(self):
        return f"mqtt://127.0.0.1:{self.listener.getsockname()[1]}"

    def link(self):
        self.links.append(Link(self.listener.accept()[0], self.version))
        return self.links[-1]

    def close(self):
        for link in self.links:
            link.close()
        self.listener.close()


def publish_context(topic="site1/a", retain=False, properties=b"", **more):
    return {"requestId": "8476a536", "attempt": 1,
            "publish": {"topic": topic, "retain": retain, "properties": properties.hex(), **more}}


# What PUBLISH may have, in an order of no meaning but for that of the User Properties.
PROPERTIES = (mqtt.prop(0x01, 1) + mqtt.prop(mqtt.CONTENT_TYPE, "text/plain") + mqtt.prop(mqtt.RESPONSE_TOPIC, "a/ä") +
              mqtt.prop(mqtt.CORRELATION_DATA, b"\0\xff\x01") + mqtt.prop(mqtt.USER_PROPERTY, ("k", "2")) +
              mqtt.prop(mqtt.USER_PROPERTY, ("", "")) + mqtt.prop(mqtt.USER_PROPERTY, ("k", "1")))


def wait_s(seconds):
    """At least so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(end - time.monotonic())


class WorkerCase(unittest.TestCase):
    def start(self, version=5, **more):
        self.remote = Remote(version)
        self.addCleanup(self.remote.close)
        settings = {"url": self.remote.url(), "clientId": "gateway-1", "keepAlive": 60, "inflight": INFLIGHT,
                    "version": "5" if version == 5 else "3.1.1"}
        settings.update(more)
        self.worker = Worker(EXECUTABLE, settings)
        self.addCleanup(self.worker.kill)
        self.worker.ready(0)
        return self.worker

    def connected(self, properties=b"", allowed=INFLIGHT):
        link = self.remote.link().accept(properties)
        self.worker.ready(allowed)
        return link

    def invoke(self, first, last=None, **more):
        for invocation in range(first, (last or first) + 1):
            self.worker.invoke(invocation, publish_context(), str(invocation).encode(), **more)


class UplinkWorker(WorkerCase):
    def test_it_says_who_it_is(self):
        self.start(user="ann", password="secret", keepAlive=17)
        body = self.remote.link().connect()
        self.assertEqual(body[:10], mqtt.text("MQTT") + bytes([5, 0xC2]) + mqtt.u16(17))
        properties, at = mqtt.read_properties(body, 10)
        self.assertEqual(body[at:], mqtt.text("gateway-1") + mqtt.text("ann") + mqtt.text("secret"))

    def test_a_message_arrives_as_it_was_and_its_puback_is_the_result(self):
        for version in (5, 4):
            with self.subTest(version=version):
                worker = self.start(version)
                link = self.connected()
                payload = bytes(range(256)) * 300
                worker.invoke(1, publish_context("site1/ä/b", retain=True), payload)
                packet_id, topic, got, retain = link.publish()
                self.assertEqual((topic, got, retain), ("site1/ä/b", payload, 1))
                link.acknowledge(packet_id)
                worker.result(1)
                worker.invoke(2, publish_context(), b"")
                packet_id, topic, got, retain = link.publish()
                self.assertEqual((topic, got, retain), ("site1/a", b"", 0))
                link.acknowledge(packet_id)
                worker.result(2)
                self.assertEqual(worker.status(), 0)

    def test_properties_go_up_as_they_are(self):
        worker = self.start()
        link = self.connected()
        worker.invoke(1, publish_context(properties=PROPERTIES))
        link.acknowledge(link.publish()[0])
        self.assertEqual(link.properties, mqtt.read_properties(mqtt.block(PROPERTIES), 0)[0])
        worker.result(1)
        worker = self.start(4)
        link = self.connected()
        worker.invoke(1, publish_context(properties=PROPERTIES, messageExpiryInterval=5))
        self.assertEqual(link.publish()[2], b"{}")

    def test_what_is_left_of_the_expiry_interval_goes_up(self):
        worker = self.start()
        link = self.connected()
        worker.invoke(1, publish_context(properties=PROPERTIES, messageExpiryInterval=1000))
        worker.invoke(2, publish_context(messageExpiryInterval=1))
        link.publish()
        first = dict(link.properties)[mqtt.MESSAGE_EXPIRY]
        self.assertIn(first, (999, 1000))
        link.publish()
        wait_s(2.1)
        link.close()
        worker.ready(0)
        link = self.remote.link().accept()
        worker.ready(1)  # the first may have been why: see below
        packet_id = link.publish()[0]
        self.assertLessEqual(dict(link.properties)[mqtt.MESSAGE_EXPIRY], first - 2)
        link.acknowledge(packet_id)
        worker.result(1)
        worker.error(2, FUNCTION, "Uplink.MessageExpired")

    def test_each_reason_code_of_puback_is_what_the_queue_needs(self):
        outcomes = [(0x00, None), (0x10, None), (0x80, FUNCTION), (0x83, FUNCTION), (0x87, FUNCTION),
                    (0x90, FUNCTION), (0x91, TRANSPORT), (0x97, THROTTLED), (0x99, FUNCTION), (0x00, None)]
        worker = self.start()
        link = self.connected()
        for invocation, (reason, kind) in enumerate(outcomes, 1):
            with self.subTest(reason=hex(reason)):
                self.invoke(invocation)
                link.acknowledge(link.publish()[0], reason)
                if kind is None:
                    worker.result(invocation)
                else:
                    frame = worker.error(invocation, kind, "Uplink.Refused")
                    self.assertIn(f"0x{reason:02x}: ", frame.message)

    def test_pubacks_out_of_order_answer_their_own_messages(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 3)
        ids = [link.publish()[0] for _ in range(3)]
        for at in (2, 0, 1):
            link.acknowledge(ids[at])
            worker.result(at + 1)

    def test_what_was_not_acknowledged_is_sent_again_first_and_in_order(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 30)
        ids = [link.publish()[0] for _ in range(30)]
        link.acknowledge(ids[3])
        worker.result(4)
        link.close()
        worker.ready(0)
        self.invoke(31)  # it was on its way when the worker said that it takes none
        link = self.connected()
        self.assertEqual([link.publish()[2] for _ in range(30)],
                         [str(i).encode() for i in range(1, 32) if i != 4])

    def test_a_receive_maximum_of_10_is_kept_also_by_what_was_taken_before(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 30)
        link.acknowledge(link.publish()[0])
        worker.result(1)
        link.close()
        worker.ready(0)
        link = self.connected(mqtt.prop(mqtt.RECEIVE_MAXIMUM, 10), allowed=10)
        open_ids = [link.publish()[0] for _ in range(10)]
        for invocation in range(2, 31):
            self.assertTrue(link.is_quiet(), "an eleventh message is in flight")
            link.acknowledge(open_ids.pop(0))
            worker.result(invocation)
            if invocation + 10 <= 30:
                open_ids.append(link.publish()[0])

    def test_a_remote_that_falls_silent_is_left_and_nothing_is_an_attempt(self):
        worker = self.start(keepAlive=1)
        link = self.connected()
        self.invoke(1, 2)
        link.publish()
        worker.ready(0)  # PINGREQ had no answer
        link = self.connected()
        for invocation in (1, 2):
            link.acknowledge(link.publish()[0])
            worker.result(invocation)

    def test_what_is_not_acknowledged_in_time_goes_back_without_an_attempt(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 2, timeout_s=1)
        self.invoke(3)
        worker.ready(0)
        for invocation in (1, 2, 3):
            worker.error(invocation, TRANSPORT, "Uplink.NotAcknowledged")
        worker.log("is silent")
        link = self.connected()
        self.assertTrue(link.is_quiet(), "what was given back is not sent")

    def test_without_a_connection_nothing_waits_beyond_its_deadline(self):
        worker = self.start()
        link = self.connected()
        link.close()
        worker.ready(0)
        self.remote.listener.close()
        self.invoke(1, timeout_s=1)
        worker.error(1, TRANSPORT, "Uplink.NotAcknowledged")

    def test_a_remote_that_refuses_is_asked_again_and_says_why(self):
        for version, reason, why in ((5, 0x87, "Not authorized"), (4, 5, "not authorized")):
            with self.subTest(version=version):
                worker = self.start(version)
                self.remote.link().accept(reason=reason)
                worker.log(f"is not reached: {why}")
                self.connected()

    def test_garbage_from_the_remote_is_a_connection_that_failed(self):
        worker = self.start()
        for garbage in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 40, b"\x20\x02\x00", b"\x00" * 9):
            with self.subTest(garbage=garbage):
                link = self.remote.link()
                link.connect()
                link.send(garbage)
                link.close()
        link = self.connected()
        self.invoke(1)
        link.publish()
        link.send(b"\xf7\xff\xff\xff\xff\xff\xff")
        link.close()
        worker.ready(0)
        link = self.connected(allowed=1)  # see below: it may have been the message
        link.acknowledge(link.publish()[0])
        worker.result(1)

    def test_a_message_that_the_remote_closes_upon_delays_no_other(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 3)
        link.publish()
        link.close()
        worker.ready(0)
        link = self.connected(allowed=1)
        self.assertEqual(link.publish()[2], b"1")
        self.assertTrue(link.is_quiet(), "one at a time")
        link.close()
        worker.error(1, FUNCTION, "Uplink.Closed")
        worker.ready(0)
        link = self.connected(allowed=1)
        for invocation in (2, 3):
            packet_id, _, payload, _ = link.publish()
            self.assertEqual(payload, str(invocation).encode())
            link.acknowledge(packet_id)
            worker.result(invocation)
            if invocation == 2:
                worker.ready(INFLIGHT)

    def test_a_message_over_the_maximum_packet_size_is_not_sent(self):
        worker = self.start()
        link = self.connected(mqtt.prop(mqtt.MAXIMUM_PACKET_SIZE, 100))
        worker.invoke(1, publish_context(), b"x" * 100)
        worker.error(1, FUNCTION, "Uplink.PacketTooLarge")
        worker.invoke(2, publish_context(), b"x" * 60)
        link.acknowledge(link.publish()[0])
        worker.result(2)

    def test_a_remote_with_qos_0_alone_is_of_no_use(self):
        worker = self.start()
        self.remote.link().accept(mqtt.prop(0x24, 0))
        worker.log("takes QoS 0 only")

    def test_a_connack_that_is_a_protocol_error_is_no_connection(self):
        for identifier, name in ((mqtt.RECEIVE_MAXIMUM, "Receive Maximum"), (mqtt.MAXIMUM_PACKET_SIZE, "Maximum Packet Size")):
            with self.subTest(name=name):
                worker = self.start()
                self.invoke(1)
                link = self.remote.link().accept(mqtt.prop(identifier, 0))
                link.expect(mqtt.DISCONNECT)
                link = self.connected()
                packet_id, _, payload, _ = link.publish()
                self.assertEqual(payload, b"1")
                link.acknowledge(packet_id)
                worker.result(1)
                worker.log(f"its CONNACK has {name} 0")

    def test_retain_is_left_out_where_the_remote_has_none(self):
        worker = self.start()
        link = self.connected(mqtt.prop(0x25, 0))
        worker.invoke(1, publish_context(retain=True), b"x")
        self.assertEqual(link.publish()[3], 0)

    def test_a_topic_that_is_none_costs_its_message_alone(self):
        worker = self.start()
        link = self.connected()
        worker.invoke(1, publish_context("a\ud800b"), b"x")
        worker.error(1, FUNCTION, "Uplink.BadInvocation")
        worker.invoke(2, {"requestId": "1"}, b"x")
        worker.error(2, FUNCTION, "Uplink.BadInvocation")
        self.invoke(3)
        link.acknowledge(link.publish()[0])
        worker.result(3)

    def test_it_stops_when_what_is_open_is_acknowledged(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1)
        packet_id = link.publish()[0]
        worker.send(worker_peer.SHUTDOWN, 0)
        link.acknowledge(packet_id)
        worker.result(1)
        self.assertIsNone(worker.receive())
        self.assertEqual(worker.status(), 0)
        link.expect(mqtt.DISCONNECT)

    def test_it_stops_at_once_without_a_connection(self):
        worker = self.start()
        link = self.connected()
        self.invoke(1, 2)
        link.publish()
        link.close()
        worker.ready(0)
        worker.send(worker_peer.SHUTDOWN, 0)
        for invocation in (1, 2):
            worker.error(invocation, TRANSPORT, "Uplink.NotConnected")
        self.assertIsNone(worker.receive())
        self.assertEqual(worker.status(), 0)

    def test_settings_that_cannot_be_used_are_said_and_end_it(self):
        good = {"url": "mqtt://h", "clientId": "c", "keepAlive": 60, "inflight": 1}
        for change, part in (({"url": "http://h"}, "mqtt://HOST"), ({"clientId": ""}, "clientId"),
                             ({"keepAlive": 0}, "keepAlive"), ({"inflight": 5000}, "inflight"),
                             ({"certificate": "c.crt"}, "certificate and key")):
            with self.subTest(change=change):
                worker = Worker(EXECUTABLE, {**good, **change})
                self.addCleanup(worker.kill)
                self.assertIn(part, worker.error(0, TRANSPORT, "Uplink.InvalidSettings").message)
                self.assertEqual(worker.process.wait(HANG_S), 1)
        worker = Worker(EXECUTABLE, good, protocol=2)
        self.addCleanup(worker.kill)
        self.assertIn("versions", worker.error(0, TRANSPORT, "Uplink.InvalidSettings").message)


class UplinkDown(WorkerCase):
    def down(self, version=5, properties=b""):
        """The first connection of a worker that brings down `a/#` and `b`."""
        self.start(version, down=["a/#", "b"])
        link = self.remote.link().accept(properties)
        for name in ("a/#", "b"):
            body = link.expect(mqtt.SUBSCRIBE)[2]
            self.assertEqual(body[-len(mqtt.text(name)) - 1:-1], mqtt.text(name))
            link.send(mqtt.packet(0x90, body[:2] + mqtt.block(mqtt.in_version(version, b"")) + b"\x01"))
        return link

    def test_it_keeps_a_session_at_the_remote(self):
        self.start(down=["a"])
        body = self.remote.link().connect()
        self.assertEqual(body[7] & 2, 0, "Clean Start")
        self.assertIn((mqtt.SESSION_EXPIRY, 7 * 24 * 3600), mqtt.read_properties(body, 10)[0])
        self.start(4, down=["a"])
        self.assertEqual(self.remote.link().connect()[7] & 2, 0, "Clean Session")

    def test_puback_leaves_when_the_gateway_has_it_on_disk(self):
        for version in (5, 4):
            with self.subTest(version=version):
                link = self.down(version)
                link.send(mqtt.publish("a/b", b"\0one", 1, 7, version, retain=True))
                link.send(mqtt.publish("b", b"two", 1, 8, version))
                frame = self.worker.publish()
                self.assertEqual((frame.topic, frame.payload, frame.retain, frame.properties),
                                 ("a/b", b"\0one", 1, b""))
                self.assertTrue(link.is_quiet(), "PUBACK before the gateway's answer")
                self.worker.published(frame, worker_peer.STORED)
                self.assertEqual(link.expect(mqtt.PUBACK)[2][:2], mqtt.u16(7))
                frame = self.worker.publish()
                self.assertEqual((frame.topic, frame.payload, frame.retain), ("b", b"two", 0))
                self.worker.published(frame, worker_peer.REFUSED)
                self.assertEqual(link.expect(mqtt.PUBACK)[2][:2], mqtt.u16(8))

    def test_what_the_gateway_has_no_room_for_is_offered_again(self):
        link = self.down()
        link.send(mqtt.publish("b", b"x", 1, 7))
        for _ in range(3):
            self.worker.published(self.worker.publish(), worker_peer.FULL)
        frame = self.worker.publish()
        self.assertTrue(link.is_quiet(), "PUBACK before the gateway's answer")
        self.worker.published(frame, worker_peer.STORED)
        link.expect(mqtt.PUBACK)

    def test_a_gateway_that_goes_leaves_it_unacknowledged(self):
        for end in ("shut down", "gone"):
            with self.subTest(end=end):
                link = self.down()
                link.send(mqtt.publish("b", b"x", 1, 7))
                self.worker.publish()
                if end == "shut down":
                    self.worker.send(worker_peer.SHUTDOWN, 0)
                    self.assertIsNone(self.worker.receive())
                self.assertEqual(self.worker.status(), 0)
                self.assertIsNone(link.receive())

    def test_properties_come_down_as_they_are(self):
        link = self.down()
        expiry = mqtt.prop(mqtt.MESSAGE_EXPIRY, 60)
        link.send(mqtt.publish("b", b"x", 1, 7,
                               properties=mqtt.prop(mqtt.SUBSCRIPTION_IDENTIFIER, 9) + PROPERTIES + expiry))
        self.assertEqual(self.worker.publish().properties, PROPERTIES + expiry)

    def test_a_filter_that_is_refused_is_said(self):
        self.start(down=["a/#"])
        link = self.remote.link().accept()
        body = link.expect(mqtt.SUBSCRIBE)[2]
        link.send(mqtt.packet(0x90, body[:2] + b"\0\x87"))
        self.worker.log("does not let it subscribe: Reason Code 0x87")


if __name__ == "__main__":
    EXECUTABLE = sys.argv.pop(1)
    unittest.main(verbosity=2)
