"""Publishes over plain MQTT 5 and says of each message when it is acknowledged; reconnects until all are.

publisher.py PORT CLIENT_ID [QOS TOPIC PAYLOAD]...: a line `acknowledged N` for the N-th, counted from 1.
"""
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, client_id, *rest = sys.argv[1:]
messages = [(int(rest[i]), rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3)]
places, done, lock = {}, threading.Semaphore(0), threading.Lock()


def on_publish(client, user, mid, *more):
    with lock:
        print("acknowledged", places[mid], flush=True)
    done.release()


client = mqtt.Client(client_id=client_id, protocol=mqtt.MQTTv5)
client.on_publish = on_publish
client.reconnect_delay_set(min_delay=1, max_delay=1)
session = Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 3600
client.connect("127.0.0.1", int(port), clean_start=False, properties=session)
client.loop_start()
for place, (qos, topic, payload) in enumerate(messages, 1):
    with lock:
        places[client.publish(topic, payload, qos).mid] = place
for _ in messages:
    done.acquire()
client.disconnect()
client.loop_stop()
