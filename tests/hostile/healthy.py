"""A Client in order, in a process of its own, beside whom the hostile ones are.

    healthy.py PORT [TOPIC ANSWER-TOPIC]

It publishes at QoS 1 to itself all the time, or to a function that gives the message back on another topic, a message every few milliseconds, and measures each round trip.
A line on its standard input asks for what was since the last one: it answers, after ten more round trips,
with one line of JSON. It ends with a sentence and status 1 when its connection ends, an answer is wrong, or
one does not come for a minute.
"""

import json
import os
import select
import sys
import time

import mqtt

PAUSE_S = 0.005
TOPICS = ("healthy/trip", "healthy/trip")


class Healthy:
    def __init__(self, port, topic, answer_topic):
        self.topic = topic
        self.client = mqtt.Client(("127.0.0.1", port))
        self.client.connect("healthy-" + topic.partition("/")[0])
        assert self.client.subscribe((answer_topic, 1)) == b"\x01", "the subscription was refused"
        self.count = 0

    def round_trip(self):
        """Seconds from PUBLISH to its own copy."""
        self.count += 1
        packet_id, payload = self.count % 65535 + 1, str(self.count).encode()
        begin, end, acknowledged = time.monotonic(), None, False
        self.client.send(mqtt.publish(self.topic, payload, 1, packet_id))
        while end is None or not acknowledged:
            got = self.client.read()
            assert got, "the connection of the healthy client ended"
            if got.kind == mqtt.PUBLISH:
                assert got.payload == payload, f"{got.payload} came where {payload} was due"
                self.client.send(mqtt.ack(mqtt.PUBACK, got.packet_id))
                end = time.monotonic()
            else:
                assert got.kind == mqtt.PUBACK and got.packet_id == packet_id and got.reason < 0x80, str(got)
                acknowledged = True
        return end - begin


def report(trips):
    trips.sort()
    return json.dumps({"count": len(trips), "p50_ms": trips[len(trips) // 2] * 1000,
                       "p99_ms": trips[len(trips) * 99 // 100] * 1000, "max_ms": trips[-1] * 1000})


def main():
    healthy, trips = Healthy(int(sys.argv[1]), *(sys.argv[2:] or TOPICS)), []
    print("ready", flush=True)
    while True:
        trips.append(healthy.round_trip())
        if not select.select([0], [], [], PAUSE_S)[0]:
            continue
        if not os.read(0, 1):
            return
        trips += [healthy.round_trip() for _ in range(10)]
        print(report(trips), flush=True)
        trips = []


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"the healthy client: {error}")
