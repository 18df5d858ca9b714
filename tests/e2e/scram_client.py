"""scram_client.py PORT USER PASSWORD: connects by SCRAM-SHA-256 in AUTH packets of MQTT 5, authenticates again, and
checks that the Server knows the password too. Says how it was refused where it is."""
import base64
import hashlib
import hmac
import os
import socket
import sys

METHOD = b"SCRAM-SHA-256"
CONNECT, CONNACK, DISCONNECT, AUTH = 1, 2, 14, 15


def string(data):
    return len(data).to_bytes(2, "big") + data


def counted(data):
    """With its length in front, as a Variable Byte Integer; all here is under 16,384 bytes."""
    length = len(data)
    return (bytes([length]) if length < 128 else bytes([length % 128 | 128, length // 128])) + data


def properties(data):
    return counted(b"\x15" + string(METHOD) + b"\x16" + string(data))


def packet(kind, body):
    return bytes([kind << 4]) + counted(body)


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    def varint(self, read):
        value, shift = 0, 0
        while True:
            byte = read(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def receive(self):
        """The type, the Reason Code and the Authentication Data of the next packet."""
        first = self.file.read(1)
        if not first:
            raise SystemExit("closed")
        body = self.file.read(self.varint(self.file.read))
        kind = first[0] >> 4
        reason, rest = (body[1], body[2:]) if kind == CONNACK else (body[0], body[1:])
        at = rest.find(b"\x15" + string(METHOD))
        if at < 0:
            return kind, reason, None
        rest = rest[at + 3 + len(METHOD):]
        assert rest[0] == 0x16, "no Authentication Data behind the method"
        return kind, reason, rest[3:3 + int.from_bytes(rest[1:3], "big")]

    def send(self, kind, body):
        self.socket.sendall(packet(kind, body))


def converse(client, user, password, begin, end):
    nonce = base64.b64encode(os.urandom(18))
    bare = b"n=" + user.encode() + b",r=" + nonce
    begin(b"n,," + bare)
    kind, reason, server_first = client.receive()
    if kind != AUTH or reason != 0x18:
        raise SystemExit("refused: 0x%02x" % reason)
    fields = dict(part.split(b"=", 1) for part in server_first.split(b","))
    print("salt", fields[b"s"].decode(), flush=True)
    assert fields[b"r"].startswith(nonce) and len(fields[b"r"]) > len(nonce), "the Server's nonce"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    without_proof = b"c=biws,r=" + fields[b"r"]
    text = bare + b"," + server_first + b"," + without_proof
    key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(key).digest(), text)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    client.send(AUTH, b"\x18" + properties(without_proof + b",p=" + base64.b64encode(proof)))
    kind, reason, server_last = client.receive()
    if reason != 0:
        raise SystemExit("refused: 0x%02x" % reason)
    assert kind == end, "packet type %d" % kind
    assert server_last == b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), text)), "the Server's signature"


port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = Client(port)
head = string(b"MQTT") + b"\x05\x02\x00\x3c"
converse(client, user, password,
         lambda data: client.send(CONNECT, head + properties(data) + string(b"scram")), CONNACK)
converse(client, user, password, lambda data: client.send(AUTH, b"\x19" + properties(data)), AUTH)
client.send(DISCONNECT, b"\x00")
