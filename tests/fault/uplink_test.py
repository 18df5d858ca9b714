"""What is acknowledged to a publisher reaches the other Server, whatever happens on the way there.

    uplink_test.py --build BUILD [--burst COUNT]

Publishers number their QoS 1 messages; a subscriber at a mosquitto, which the gateway forwards to, notes what
comes. Meanwhile the line falls silent, mosquitto and the gateway are killed with SIGKILL, and at the end of each story
nothing more is published, so that a backlog has to move by itself. Then each number must have come at least once, the
first time in its publisher's order, with nothing in the dead letter queue.

mosquitto writes to a connected subscriber of QoS 0 before it answers PUBACK, so that what it acknowledged cannot
get lost with it: the subscriber is connected before the gateway is let in again.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import types

FOLDER = os.path.dirname(os.path.abspath(__file__))
for other in ("hostile", "contract"):
    sys.path.insert(0, os.path.join(FOLDER, "..", other))

import bench
import mqtt
from mosquitto import Mosquitto, Relay
from uplink_worker_test import Remote

RECEIVE_MAXIMUM = 10
UNACKNOWLEDGED_MAX = 20  # of a publisher; the gateway allows more
PUBLISHERS = ("ann", "bob")


def config(port, version, **more):
    return {
        "gateway": {"listen": {"mqtt": "127.0.0.1:0"}, "anonymous": ["mqtt"],
                    "access": [{"who": "anonymous", "publish": ["farm/#"]}]},
        "functions": {"site": {
            "uplink": {"url": f"mqtt://127.0.0.1:{port}", "clientId": "gateway-1", "version": version, "keepAlive": 1,
                       "topic": "site1/${topic}", **more},
            "events": [{"iot": {"sql": "SELECT * FROM 'farm/#'"}}],
        }},
    }


class Publisher:
    """Publishes numbers; what had no PUBACK when its connection ended is published again on the next."""

    def __init__(self, name):
        self.name, self.client, self.next_number, self.open = name, None, 0, []

    def connect(self, gateway):
        self.client = gateway.connected(self.name)
        again, self.open = self.open, []
        self.send(again)

    def send(self, numbers):
        for number in numbers:
            if len(self.open) == UNACKNOWLEDGED_MAX:
                self.settle()
            self.open.append(number)
            self.client.send(mqtt.publish(f"farm/{self.name}", str(number), 1, number % 60000 + 1))

    def publish(self, count):
        self.send(range(self.next_number, self.next_number + count))
        self.next_number += count

    def settle(self):
        while self.open:
            got = self.client.expect(mqtt.PUBACK, 0)
            assert got.packet_id == self.open.pop(0) % 60000 + 1, "PUBACKs come in order"


class Subscriber:
    """What came to the other Server, by publisher, in order of its first coming."""

    def __init__(self):
        self.client, self.got = None, {name: [] for name in PUBLISHERS}
        self.seen = {name: set() for name in PUBLISHERS}

    def connect(self, port):
        self.client = mqtt.Client(("127.0.0.1", port))
        self.client.connect("subscriber")
        self.client.subscribe(("site1/#", 0))

    def note(self, packets):
        for packet in packets:
            assert packet.kind == mqtt.PUBLISH, packet
            name, number = packet.topic.decode().removeprefix("site1/farm/"), int(packet.payload)
            if number not in self.seen[name]:
                self.seen[name].add(number)
                self.got[name].append(number)

    def drain(self):
        """What was written before the Server died, too."""
        while packet := self.client.read():
            self.note([packet])
        self.client.close()

    def has_all(self, publishers):
        self.note(self.client.alive())
        return all(len(self.got[publisher.name]) >= publisher.next_number for publisher in publishers)


class Story:
    def __init__(self, program, folder, version, burst):
        self.remote = Mosquitto(folder, f"allow_anonymous true\nmax_inflight_messages {RECEIVE_MAXIMUM}\n")
        self.relay, self.burst = Relay(self.remote.port), burst
        self.gateway = bench.Gateway(types.SimpleNamespace(program=program, folder=folder),
                                     config(self.relay.port, version))
        self.publishers = [Publisher(name) for name in PUBLISHERS]
        self.subscriber = Subscriber()

    def publish(self):
        for publisher in self.publishers:
            publisher.publish(self.burst)

    def cut_silently(self):
        self.relay.silence()

    def kill_remote(self):
        self.remote.kill()
        self.relay.close()
        self.subscriber.drain()
        self.remote.start()
        self.subscriber.connect(self.remote.port)
        self.relay.open()

    def kill_gateway(self):
        self.gateway.kill()
        for publisher in self.publishers:
            publisher.client.close()
        self.gateway.start()
        for publisher in self.publishers:
            publisher.connect(self.gateway)

    def run(self):
        self.remote.start()
        self.subscriber.connect(self.remote.port)
        self.gateway.start()
        for publisher in self.publishers:
            publisher.connect(self.gateway)
        for event in (self.cut_silently, self.kill_remote, self.kill_gateway, self.kill_remote, self.cut_silently,
                      self.kill_gateway, self.cut_silently):
            self.publish()
            event()
        for publisher in self.publishers:
            publisher.settle()
        bench.wait_until(lambda: self.subscriber.has_all(self.publishers), "that all of it comes, unasked,")
        self.check()

    def check(self):
        for publisher in self.publishers:
            got = self.subscriber.got[publisher.name]
            assert got == list(range(publisher.next_number)), f"{publisher.name}: the order is {got}"
            publisher.client.close()
        self.gateway.stop()
        ledger = self.gateway.ledger()
        assert ledger["queued"] == ledger["deadLetters"] == 0, ledger

    def end(self):
        self.relay.stop()
        self.remote.kill()
        self.gateway.process.kill()


COUNT = 20


class PlayedRemote:
    """A gateway whose messages have one attempt each, and whose other Server is played: what costs an attempt ends in
    the dead letter queue."""

    def __init__(self, program, folder):
        self.remote = Remote()
        self.gateway = bench.Gateway(types.SimpleNamespace(program=program, folder=folder),
                                     config(self.remote.listener.getsockname()[1], "5"))
        self.gateway.config["functions"]["site"]["maximumRetryAttempts"] = 0

    def start(self):
        self.gateway.start()
        link = self.remote.link().accept()
        publisher = Publisher("ann")
        publisher.connect(self.gateway)
        publisher.publish(COUNT)
        publisher.settle()
        publisher.client.close()
        return link

    def take(self, link):
        """(Packet Identifier, number) of the next PUBLISH."""
        while True:
            kind, _, body = link.receive()
            if kind == mqtt.PUBLISH:
                break
            assert kind == mqtt.PINGREQ, mqtt.NAMES[kind]
            link.send(mqtt.packet(0xD0))
        _, at = mqtt.read_text(body, 0)
        payload = body[mqtt.read_properties(body, at + 2)[1]:]
        return int.from_bytes(body[at:at + 2], "big"), int(payload)

    def take_all(self, link):
        taken = set()
        while len(taken) < COUNT:
            packet_id, number = self.take(link)
            taken.add(number)
            link.acknowledge(packet_id)

    def check(self):
        self.gateway.stop()
        ledger = self.gateway.ledger()
        assert ledger["queued"] == ledger["deadLetters"] == 0, ledger

    def end(self):
        self.gateway.process.kill()
        self.remote.close()


def full_remote(story):
    """Its queue is full for a while."""
    link = story.start()
    for _ in range(30):
        link.acknowledge(story.take(link)[0], 0x97)
    story.take_all(link)


def killed_worker(story):
    """The worker is killed with all messages under way, as for want of memory."""
    link = story.start()
    for _ in range(COUNT):
        story.take(link)
    gateway = story.gateway.process.pid
    with open(f"/proc/{gateway}/task/{gateway}/children") as children:
        (worker,) = children.read().split()
    os.kill(int(worker), signal.SIGKILL)
    story.take_all(story.remote.link().accept())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--burst", type=int, default=150)
    arguments = parser.parse_args()
    if not Mosquitto.is_installed():
        print("SKIP: mosquitto is not installed")
        sys.exit(77)
    program = os.path.join(os.path.abspath(arguments.build), "bin", "sluice")
    for version in ("5", "3.1.1"):
        folder = tempfile.mkdtemp()
        story = Story(program, folder, version, arguments.burst)
        try:
            story.run()
            print(f"MQTT {version}: {sum(p.next_number for p in story.publishers)} messages, each forwarded in order")
        finally:
            story.end()
            shutil.rmtree(folder)
    for act, what in ((full_remote, "a remote that was full"), (killed_worker, "a remote of a worker that was killed")):
        folder = tempfile.mkdtemp()
        story = PlayedRemote(program, folder)
        try:
            act(story)
            story.check()
            print(f"{what} has got everything, and no message lost an attempt")
        finally:
            story.end()
            shutil.rmtree(folder)


main()
