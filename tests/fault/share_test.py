"""A Shared Subscription whose members come and go, with and without `kill -9`: nothing that was acknowledged is lost.

    share_test.py --build BUILD [--rounds COUNT] [--seed NUMBER]

A publisher numbers its QoS 1 messages. Members connect, with a session or without, take some messages or none,
lose their connections, end their sessions, and unsubscribe, which they do only when they have acknowledged what
was begun to be sent to them. One member, the keeper, has a session to the end. Then the others leave, and each
number with a PUBACK to the publisher must have had one from a member, or come to the keeper.

Where the gateway is killed every member has a session: what a client without one has not taken goes with the
gateway's memory.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import types

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "hostile"))

import bench
import mqtt

FILTER = "$share/group/numbers"
EXPIRY_S = 3600
MEMBERS = 4
PACKET_IDS = 60000
CONFIG = {"gateway": {"listen": {"mqtt": "127.0.0.1:0"}, "anonymous": ["mqtt"],
                      "limits": {"queueMemoryBytes": 2048}, "journal": {"segmentBytes": 65536},
                      "access": [{"who": "anonymous", "publish": ["numbers"], "subscribe": ["numbers"]}]}}


class Member:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.client, self.is_durable, self.is_subscribed, self.unacknowledged = None, False, False, []

    def connect(self, is_durable, clean=False):
        self.vanish()
        properties = mqtt.prop(mqtt.RECEIVE_MAXIMUM, self.world.random.choice([1, 3, 50]))
        if is_durable:
            properties += mqtt.prop(mqtt.SESSION_EXPIRY, EXPIRY_S)
        self.client, self.is_durable = self.world.gateway.client(), is_durable
        is_present = self.client.connect(self.name, clean=clean, properties=properties).session_present
        self.is_subscribed = self.is_subscribed and is_present
        if not self.is_subscribed:
            self.client.send(mqtt.subscribe((FILTER, 1)))
            self.read_until(mqtt.SUBACK)
        self.is_subscribed = True

    def read_until(self, kind):
        while (got := self.client.read()).kind != kind:
            self.unacknowledged.append(got)

    def take(self, share):
        """Acknowledges this share of what has come by now; true: something had."""
        self.unacknowledged += self.client.alive()
        taken = [got for got in self.unacknowledged if self.world.random.random() < share]
        self.unacknowledged = [got for got in self.unacknowledged if got not in taken]
        self.world.taken |= {int(got.payload.split()[0]) for got in taken}
        self.client.send(*(mqtt.ack(mqtt.PUBACK, got.packet_id) for got in taken))
        return bool(taken)

    def vanish(self):
        if self.client:
            self.client.close()
        self.client, self.unacknowledged = None, []
        self.is_subscribed = self.is_subscribed and self.is_durable

    def leave(self):
        self.client.send(mqtt.disconnect(0, mqtt.prop(mqtt.SESSION_EXPIRY, 0)))
        while self.client.read():
            pass
        self.is_subscribed = False
        self.vanish()

    def unsubscribe(self):
        self.client.send(mqtt.unsubscribe(FILTER))
        self.read_until(mqtt.UNSUBACK)
        while self.take(1):
            pass
        self.is_subscribed = False


class World:
    def __init__(self, gateway, seed, kills):
        self.gateway, self.random, self.kills = gateway, random.Random(seed), kills
        self.acknowledged, self.taken = set(), set()
        self.in_flight, self.next_number, self.packet_id = {}, 0, 0
        self.publisher = gateway.connected("publisher")
        self.keeper = Member(self, "keeper")
        self.keeper.connect(True)
        self.members = [Member(self, f"member{i}") for i in range(MEMBERS)]

    # ---- The publisher ----

    def publish(self, numbers):
        for number in numbers:
            self.packet_id = self.packet_id % PACKET_IDS + 1
            self.in_flight[self.packet_id] = number
            payload = f"{number} " + "x" * self.random.choice([10, 300])
            self.publisher.send(mqtt.publish("numbers", payload, 1, self.packet_id))

    def publish_more(self):
        count = self.random.choice([1, 5, 40])
        self.publish(range(self.next_number, self.next_number + count))
        self.next_number += count
        self.note(self.publisher.alive())

    def note(self, answers):
        for answer in answers:
            assert answer.kind == mqtt.PUBACK and answer.reason < 0x80, f"a PUBLISH was answered with {answer}"
            self.acknowledged.add(self.in_flight.pop(answer.packet_id))

    def settle(self):
        while self.in_flight:
            self.note([self.publisher.read()])

    # ---- What happens ----

    def kill(self):
        self.gateway.kill()
        self.gateway.start()
        for member in [*self.members, self.keeper]:
            member.vanish()
        self.publisher.close()
        self.publisher = self.gateway.connected("publisher")
        again, self.in_flight = list(self.in_flight.values()), {}
        self.publish(again)

    def take_some(self):
        for member in [*self.members, self.keeper]:
            if member.client:
                member.take(self.random.choice([0, 0.3, 1]))

    def come_or_go(self):
        member, chance = self.random.choice(self.members), self.random.random()
        if not member.client or chance < 0.5:
            member.connect(self.kills or self.random.random() < 0.5, clean=self.random.random() < 0.2)
        elif chance < 0.7:
            member.vanish()
        elif chance < 0.85:
            member.leave()
        elif member.is_subscribed:
            member.unsubscribe()

    def keeper_comes_or_goes(self):
        if self.keeper.client:
            self.keeper.vanish()
        else:
            self.keeper.connect(True)

    def run(self, rounds):
        events = [self.publish_more] * 10 + [self.take_some] * 8 + [self.come_or_go] * 12
        events += [self.keeper_comes_or_goes] + [self.kill] * self.kills
        for _ in range(rounds):
            self.random.choice(events)()
        self.settle()
        for member in self.members:
            member.vanish()
            with self.gateway.connected(member.name) as client:  # Clean Start ends what it has left
                client.alive()
        self.keeper.connect(True)
        bench.wait_until(self.is_complete, "that every acknowledged message comes")
        self.keeper.vanish()
        self.publisher.close()

    def is_complete(self):
        while self.keeper.take(1):
            pass
        return self.acknowledged <= self.taken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp()
    program = os.path.join(os.path.abspath(arguments.build), "bin", "sluice")
    try:
        for kills in (False, True):
            gateway = bench.Gateway(types.SimpleNamespace(program=program, folder=folder), CONFIG).start()
            try:
                world = World(gateway, arguments.seed, kills)
                world.run(arguments.rounds)
                print(f"seed {arguments.seed}, {'kills' if kills else 'no kills'}: {len(world.acknowledged)} messages")
                gateway.stop()
            finally:
                gateway.process.kill()
    finally:
        shutil.rmtree(folder)


main()
