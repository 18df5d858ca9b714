"""The gateway's side of a worker (handlers/PROTOCOL.md), for tests of one worker alone."""

import json
import os
import socket
import struct
import subprocess
import time

INIT, INVOKE, SHUTDOWN, READY, RESULT, ERROR, LOG, PUBLISH, PUBLISHED = range(1, 10)
STORED, REFUSED, FULL = range(3)
FUNCTION, TRANSPORT, THROTTLED, TIMEOUT = range(4)

HANG_S = 60  # what only a machine that hangs takes; no measure of time


class Frame:
    def __init__(self, kind, invocation, body):
        self.kind, self.invocation, self.body = kind, invocation, body
        if kind == READY:
            self.concurrency = struct.unpack(">I", body[:4])[0]
        elif kind == ERROR:
            self.error_kind, self.retry_after_ms, type_len, text_len = struct.unpack(">BIHI", body[:11])
            self.type = body[11:11 + type_len].decode()
            self.message = body[11 + type_len:11 + type_len + text_len].decode()

        elif kind == PUBLISH:
            self.retain, topic_len, properties_len = struct.unpack(">BHH", body[:5])
            at = 5 + topic_len
            self.topic, self.properties = body[5:at].decode(), body[at:at + properties_len]
            self.payload = body[at + properties_len:]

    def __repr__(self):
        return f"frame {self.kind} of {self.invocation}: {self.body!r}"


class Worker:
    """One worker process. LOG frames are kept in `logs`, in order; receive() gives the others."""

    def __init__(self, executable, settings, protocol=1, **environment):
        self.socket, other = socket.socketpair()
        self.socket.settimeout(HANG_S)
        environment["SLUICE_WORKER_FD"] = str(other.fileno())
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.process = subprocess.Popen([executable], env=environment, pass_fds=[other.fileno()],
                                        stdin=subprocess.DEVNULL)
        other.close()
        self.input, self.logs = b"", []
        self.send(INIT, 0, json.dumps({"protocol": protocol, "functionName": "site", "settings": settings}))

    def send(self, kind, invocation, body=b""):
        body = body.encode() if isinstance(body, str) else body
        self.socket.sendall(struct.pack(">IBQ", 9 + len(body), kind, invocation) + body)

    def invoke(self, invocation, context, event=b"{}", timeout_s=HANG_S):
        context = json.dumps(context).encode()
        deadline_ms = int((time.time() + timeout_s) * 1000)
        self.send(INVOKE, invocation, struct.pack(">QI", deadline_ms, len(context)) + context + event)

    def receive_any(self):
        """The next frame; None at the end of file."""
        while len(self.input) < 13 or len(self.input) < 4 + struct.unpack(">I", self.input[:4])[0]:
            more = self.socket.recv(65536)
            if not more:
                assert not self.input, "the worker's output ends within a frame"
                return None
            self.input += more
        length, kind, invocation = struct.unpack(">IBQ", self.input[:13])
        body, self.input = self.input[13:4 + length], self.input[4 + length:]
        return Frame(kind, invocation, body)

    def receive(self):
        """The next frame that is no LOG."""
        while True:
            frame = self.receive_any()
            if frame is None or frame.kind != LOG:
                return frame
            self.logs.append(frame.body[1:].decode())

    def ready(self, concurrency):
        frame = self.receive()
        assert frame and frame.kind == READY and frame.concurrency == concurrency, frame

    def result(self, invocation):
        frame = self.receive()
        assert frame and (frame.kind, frame.invocation) == (RESULT, invocation), frame

    def error(self, invocation, error_kind, error_type):
        frame = self.receive()
        assert frame and (frame.kind, frame.invocation) == (ERROR, invocation), frame
        assert (frame.error_kind, frame.type) == (error_kind, error_type), frame
        return frame

    def publish(self):
        frame = self.receive()
        assert frame and frame.kind == PUBLISH, frame
        return frame

    def published(self, frame, outcome):
        self.send(PUBLISHED, frame.invocation, bytes([outcome]))

    def log(self, part):
        """Receives until a LOG has `part` in it."""
        while not any(part in line for line in self.logs):
            frame = self.receive_any()
            assert frame and frame.kind == LOG, f"{frame} and not a log with '{part}' after {self.logs}"
            self.logs.append(frame.body[1:].decode())

    def status(self):
        """Closes the socket and gives the status that the process exits with."""
        self.socket.close()
        return self.process.wait(HANG_S)

    def kill(self):
        self.socket.close()
        self.process.kill()
        self.process.wait(HANG_S)
