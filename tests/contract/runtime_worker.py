"""The `runtime` worker from both sides: as the gateway over the worker protocol, and as the runtime client
over the Lambda Runtime API. Each sentence of that API that a function could rely on is a test.

    runtime_worker.py WORKER
"""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

WORKER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
INIT, INVOKE, SHUTDOWN, READY, RESULT, ERROR, LOG = range(1, 8)
FUNCTION, TRANSPORT = 0, 1
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024 + 100
HANGS_S = 60  # a bound for what never comes, not a measure of time
NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"

# Says where it is and how it was started, and stays; the tests are its runtime client.
ENVIRONMENT = """
env > "$OUT/new"; echo "cwd=$(pwd)" >> "$OUT/new"; echo "pid=$$" >> "$OUT/new"; mv "$OUT/new" "$OUT/started"
exec sleep 1000
"""


def wait_until(condition):
    end = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Client:
    """One HTTP connection to the Runtime API."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HANGS_S)
        self.data = b""

    def send(self, method, path, body=None, headers=()):
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode() + (body or b""))

    def receive(self, count=65536):
        some = self.socket.recv(count)
        assert some, "the connection was closed"
        self.data += some

    def answer(self):
        while b"\r\n\r\n" not in self.data:
            self.receive()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(headers["content-length"])
        while len(self.data) < length:
            self.receive()
        body, self.data = self.data[:length], self.data[length:]
        return int(lines[0].split()[1]), headers, body

    def ask(self, method, path, body=None, headers=()):
        self.send(method, path, body, headers)
        return self.answer()

    def says_nothing(self):
        return not self.data and not select.select([self.socket], [], [], 0)[0]

    def close(self):
        self.socket.close()


class Worker:
    """The gateway's side of one worker."""

    def __init__(self, folder, command, variables=(), **init):
        self.folder = folder
        self.data = b""
        ours, its = socket.socketpair()
        ours.settimeout(HANGS_S)
        os.set_inheritable(its.fileno(), True)
        environment = {"OUT": folder, "PATH": os.environ["PATH"], **dict(variables)}
        environment["SLUICE_WORKER_FD"] = str(its.fileno())
        self.process = subprocess.Popen([WORKER], env=environment, pass_fds=[its.fileno()], start_new_session=True)
        its.close()
        self.socket = ours
        settings = {"command": command, "taskRoot": folder, "region": "eu-west-1"}
        self.send(INIT, 0, json.dumps({"protocol": 1, "functionName": "classify", "handler": "app.handler",
                                       "runtime": "provided.al2023", "timeoutMs": 3000, "memorySizeMb": 128,
                                       "settings": settings, **init}).encode())

    def send(self, kind, invocation, body=b""):
        self.socket.sendall(struct.pack(">IBQ", len(body) + 9, kind, invocation) + body)

    def invoke(self, invocation, event=b"{}", deadline_ms=1_700_000_000_123, **context):
        context = json.dumps({"requestId": f"request-{invocation}", "attempt": 1,
                              "invokedFunctionArn": "arn:aws:lambda:eu-west-1:0:function:classify", **context})
        self.send(INVOKE, invocation,
                  struct.pack(">QI", deadline_ms, len(context)) + context.encode() + event)

    def read(self, size):
        while len(self.data) < size:
            some = self.socket.recv(1 << 20)
            if not some:
                raise EOFError
            self.data += some
        bytes_, self.data = self.data[:size], self.data[size:]
        return bytes_

    def receive(self):
        """The next frame but LOG: its type, invocation and body."""
        while True:
            length, kind, invocation = struct.unpack(">IBQ", self.read(13))
            body = self.read(length - 9)
            if kind != LOG:
                return kind, invocation, body

    def receive_error(self):
        """Of an ERROR: invocation, kind, type, message, payload."""
        kind, invocation, body = self.receive()
        assert kind == ERROR, (kind, body)
        error_kind, _retry, type_len, message_len = struct.unpack(">BIHI", body[:11])
        rest = body[11:]
        return (invocation, error_kind, rest[:type_len].decode(), rest[type_len:type_len + message_len].decode(),
                rest[type_len + message_len:])

    def started(self):
        """What the environment has said of itself."""
        path = os.path.join(self.folder, "started")
        wait_until(lambda: os.path.exists(path) or self.process.poll() is not None)
        with open(path, encoding="utf-8") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    def client(self):
        return Client(int(self.started()["AWS_LAMBDA_RUNTIME_API"].split(":")[1]))

    def wait(self):
        return self.process.wait(timeout=HANGS_S)


class RuntimeWorker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def start(self, command=("/bin/sh", "-c", ENVIRONMENT), **more):
        worker = Worker(self.folder, list(command), **more)

        def end():
            if worker.process.poll() is None:
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
            worker.socket.close()
        self.addCleanup(end)
        return worker

    def client(self, worker):
        client = worker.client()
        self.addCleanup(client.close)
        return client

    def start_ready(self, **more):
        """A worker that is ready, and the client that waits for its first invocation."""
        worker = self.start(**more)
        client = self.client(worker)
        client.send("GET", NEXT)
        kind, _, body = worker.receive()
        self.assertEqual((kind, struct.unpack(">II", body)[0]), (READY, 1))
        return worker, client

    def start_running(self, event=b"{}", **context):
        worker, client = self.start_ready()
        worker.invoke(1, event, **context)
        return worker, client, client.answer()

    def refused(self, answer, status, type_):
        self.assertEqual((answer[0], json.loads(answer[2])["errorType"]), (status, type_))
        self.assertTrue(json.loads(answer[2])["errorMessage"])

    # ---- The environment ----

    def test_environment_variables_are_lambdas(self):
        worker = self.start(variables={"OWN": "own value", "_HANDLER": "forged", "AWS_LAMBDA_MAX_CONCURRENCY": "4"})
        told = worker.started()
        expected = {
            "_HANDLER": "app.handler", "AWS_LAMBDA_FUNCTION_NAME": "classify",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/classify", "LAMBDA_TASK_ROOT": self.folder,
            "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "TZ": ":UTC", "OWN": "own value",
            "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023"}
        self.assertEqual({name: told.get(name) for name in expected}, expected)
        self.assertRegex(told["AWS_LAMBDA_RUNTIME_API"], r"^127\.0\.0\.1:\d+$")
        self.assertRegex(told["AWS_LAMBDA_LOG_STREAM_NAME"], r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        self.assertNotIn("AWS_LAMBDA_MAX_CONCURRENCY", told)
        self.assertNotIn("SLUICE_WORKER_FD", told)

    def test_a_function_may_choose_its_time_zone(self):
        self.assertEqual(self.start(variables={"TZ": "Europe/Berlin"}).started()["TZ"], "Europe/Berlin")

    def test_it_works_in_the_task_root_with_no_descriptors_but_its_own(self):
        command = ("/bin/sh", "-c", 'ls -l /proc/$$/fd | grep -c "socket:\\|eventpoll" > "$OUT/fds"; ' + ENVIRONMENT)
        told = self.start(command=command).started()
        self.assertEqual(told["cwd"], self.folder)
        with open(os.path.join(self.folder, "fds"), encoding="ascii") as file:
            self.assertEqual(file.read(), "0\n")

    def test_signals_have_their_default_effect(self):
        command = ("/bin/sh", "-c", 'grep SigIgn /proc/$$/status > "$OUT/signals"; ' + ENVIRONMENT)
        self.start(command=command).started()
        with open(os.path.join(self.folder, "signals"), encoding="ascii") as file:
            ignored = int(file.read().split()[1], 16)
        self.assertEqual(ignored & 1 << (signal.SIGPIPE - 1), 0)

    # ---- Initialisation ----

    def test_it_is_ready_when_it_asks_for_the_first_invocation(self):
        worker = self.start()
        client = self.client(worker)
        self.assertEqual(select.select([worker.socket], [], [], 0)[0], [])
        client.send("GET", NEXT)
        self.assertEqual(worker.receive()[0], READY)

    def test_an_init_error_is_told_to_the_gateway(self):
        worker = self.start()
        document = b'{"errorMessage":"no module app","errorType":"Runtime.ImportModuleError","stackTrace":[]}'
        status, _, body = self.client(worker).ask("POST", INIT_ERROR, document)
        self.assertEqual((status, body), (202, b'{"status":"OK"}'))
        self.assertEqual(worker.receive_error(),
                         (0, FUNCTION, "Runtime.ImportModuleError", "no module app", document))
        self.assertEqual(worker.wait(), 1)

    def test_init_errors_after_initialisation_are_refused(self):
        worker, _ = self.start_ready()
        self.refused(self.client(worker).ask("POST", INIT_ERROR, b"{}"), 403, "InvalidStateTransition")

    def test_an_environment_that_ends_ends_the_worker_in_the_same_way(self):
        self.assertEqual(self.start(command=("/bin/sh", "-c", "exit 7")).wait(), 7)
        self.assertEqual(self.start(command=("/bin/sh", "-c", "kill -KILL $$")).wait(), -signal.SIGKILL)

    def test_what_cannot_be_started_is_said_in_a_sentence(self):
        for command, why in ((["/nowhere/bootstrap"], "No such file or directory"), ([self.folder], "Permission denied")):
            worker = self.start(command=command)
            self.assertEqual(worker.receive_error()[1:4],
                             (TRANSPORT, "Runtime.InvalidEntrypoint",
                              f"{command[0]} cannot be started in {self.folder}: {why}"))
            self.assertEqual(worker.wait(), 1)

    def test_another_version_of_the_protocol_is_refused(self):
        worker = self.start(protocol=2)
        self.assertEqual(worker.receive_error()[2], "Runtime.ProtocolVersion")
        self.assertEqual(worker.wait(), 1)

    # ---- Invocations ----

    def test_next_gives_the_event_and_its_headers(self):
        _, _, (status, headers, body) = self.start_running(
            b'{"temperature":21}', traceId="Root=1-2-3;Sampled=0", clientContext={"custom": {"a": "b\n"}})
        self.assertEqual((status, body), (200, b'{"temperature":21}'))
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual(headers["lambda-runtime-aws-request-id"], "request-1")
        self.assertEqual(headers["lambda-runtime-deadline-ms"], "1700000000123")
        self.assertEqual(headers["lambda-runtime-invoked-function-arn"], "arn:aws:lambda:eu-west-1:0:function:classify")
        self.assertEqual(headers["lambda-runtime-trace-id"], "Root=1-2-3;Sampled=0")
        self.assertEqual(json.loads(headers["lambda-runtime-client-context"]), {"custom": {"a": "b\n"}})

    def test_optional_headers_are_left_out(self):
        _, _, (_, headers, _) = self.start_running(traceId="broken\r\nForged: header")
        self.assertNotIn("lambda-runtime-trace-id", headers)
        self.assertNotIn("lambda-runtime-client-context", headers)
        self.assertNotIn("forged", headers)

    def test_next_waits_until_there_is_an_invocation(self):
        worker, client = self.start_ready()
        self.assertTrue(client.says_nothing())
        worker.invoke(1)
        self.assertEqual(client.answer()[0], 200)

    def test_an_invocation_waits_until_next_asks_for_it(self):
        worker, client, _ = self.start_running()
        client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1")
        self.assertEqual(worker.receive(), (RESULT, 1, b"1"))
        worker.invoke(2, b'"second"')
        status, headers, body = client.ask("GET", NEXT)
        self.assertEqual((status, headers["lambda-runtime-aws-request-id"], body), (200, "request-2", b'"second"'))

    def test_responses_are_results_and_many_follow_on_one_connection(self):
        worker, client = self.start_ready()
        for number in range(1, 200):
            worker.invoke(number, b"%d" % number)
            self.assertEqual(client.answer()[2], b"%d" % number)
            answer = client.ask("POST", f"/2018-06-01/runtime/invocation/request-{number}/response", b"{%d}" % number)
            self.assertEqual((answer[0], answer[2]), (202, b'{"status":"OK"}'))
            self.assertEqual(worker.receive(), (RESULT, number, b"{%d}" % number))
            client.send("GET", NEXT)

    def test_a_response_may_be_chunked_and_of_any_bytes(self):
        worker, client, _ = self.start_running()
        client.send("POST", "/2018-06-01/runtime/invocation/request-1/response", None, ["Transfer-Encoding: chunked"])
        client.socket.sendall(b"3\r\n\x00\xff\n\r\n2\r\nab\r\n0\r\nLambda-Runtime-Function-Error-Type: none\r\n\r\n")
        self.assertEqual(client.answer()[0], 202)
        self.assertEqual(worker.receive(), (RESULT, 1, b"\x00\xff\nab"))

    def test_errors_are_the_functions(self):
        worker, client, _ = self.start_running()
        document = b'{"errorMessage":"too hot","errorType":"TemperatureError","stackTrace":["at app.js"]}'
        status, _, body = client.ask("POST", "/2018-06-01/runtime/invocation/request-1/error", document)
        self.assertEqual((status, body), (202, b'{"status":"OK"}'))
        self.assertEqual(worker.receive_error(), (1, FUNCTION, "TemperatureError", "too hot", document))

    def test_an_error_without_a_document_has_the_headers_type(self):
        worker, client, _ = self.start_running()
        client.ask("POST", "/2018-06-01/runtime/invocation/request-1/error", b"no JSON",
                   ["Lambda-Runtime-Function-Error-Type: Runtime.Odd"])
        self.assertEqual(worker.receive_error(), (1, FUNCTION, "Runtime.Odd", "", b"no JSON"))

    def test_identifiers_that_are_unknown_or_answered_are_refused(self):
        worker, client, _ = self.start_running()
        for kind in ("response", "error"):
            self.refused(client.ask("POST", f"/2018-06-01/runtime/invocation/other/{kind}", b"{}"), 400, "InvalidRequestID")
        client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"{}")
        self.refused(client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"{}"), 400, "InvalidRequestID")
        self.assertEqual(worker.receive()[0], RESULT)
        client.send("GET", NEXT)
        worker.invoke(2)
        self.assertEqual(client.answer()[0], 200)

    def test_the_next_before_an_answer_is_refused(self):
        _, client, _ = self.start_running()
        self.refused(client.ask("GET", NEXT), 403, "InvalidStateTransition")

    def test_unknown_requests_are_not_found(self):
        worker, client, _ = self.start_running()
        for method, path in (("GET", "/"), ("POST", NEXT), ("GET", NEXT + "/more"), ("GET", "/2018-06-01/runtime/restore/next"),
                             ("GET", "/2018-06-01/runtime/invocation/request-1/response")):
            self.refused(client.ask(method, path), 404, "ResourceNotFound")
        client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"{}")
        self.assertEqual(worker.receive()[0], RESULT)

    # ---- Bounds ----

    def test_the_largest_event_and_response_pass(self):
        largest = b'"' + b"x" * (PAYLOAD_BYTES_MAX - 2) + b'"'
        worker, client, (_, _, body) = self.start_running(largest)
        self.assertEqual(len(body), PAYLOAD_BYTES_MAX)
        client.send("POST", "/2018-06-01/runtime/invocation/request-1/response", largest)
        kind, _, result = worker.receive()
        self.assertEqual((kind, result == largest), (RESULT, True))
        self.assertEqual(client.answer()[0], 202)

    def test_one_byte_more_is_refused_the_caller_gets_an_error_and_the_worker_lives_on(self):
        for head in (["Content-Length: %d" % (PAYLOAD_BYTES_MAX + 1)], ["Transfer-Encoding: chunked"]):
            worker, client, _ = self.start_running()
            client.send("POST", "/2018-06-01/runtime/invocation/request-1/response", None, head)
            body = b"x" * (PAYLOAD_BYTES_MAX + 1)
            client.socket.sendall(body if "Length" in head[0] else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            self.refused(client.answer(), 413, "RequestEntityTooLarge")
            self.assertEqual(worker.receive_error()[:4],
                             (1, FUNCTION, "Function.ResponseSizeTooLarge",
                              "Response payload size exceeded maximum allowed payload size (6291556 bytes)."))
            again = self.client(worker)
            again.send("GET", NEXT)
            worker.invoke(2)
            self.assertEqual(again.answer()[0], 200)
            os.remove(os.path.join(self.folder, "started"))

    # ---- Connections ----

    def test_several_connections_are_served_at_once(self):
        worker, client = self.start_ready()
        others = [self.client(worker) for _ in range(10)]
        for other in others:
            self.refused(other.ask("POST", "/2018-06-01/runtime/invocation/x/response", b"{}"), 400, "InvalidRequestID")
        worker.invoke(1)
        self.assertEqual(client.answer()[0], 200)
        self.assertEqual(others[3].ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"{}")[0], 202)

    def test_several_that_ask_next_get_one_invocation_each(self):
        worker, first = self.start_ready()
        second = self.client(worker)
        second.send("GET", NEXT)
        # The answer to this shows that the worker has read what was sent before it on another connection.
        self.client(worker).ask("GET", "/")
        worker.invoke(1)
        self.assertEqual(first.answer()[0], 200)
        self.assertTrue(second.says_nothing())
        self.assertEqual(first.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1")[0], 202)
        worker.invoke(2)
        self.assertEqual(second.answer()[1]["lambda-runtime-aws-request-id"], "request-2")

    def test_who_has_gone_gets_no_invocation(self):
        worker, first = self.start_ready()
        second = self.client(worker)
        second.send("GET", NEXT)
        first.close()
        self.client(worker).ask("GET", "/")
        worker.invoke(1)
        self.assertEqual(second.answer()[0], 200)

    def test_pipelined_requests_are_answered_in_order(self):
        worker, client, _ = self.start_running()
        client.send("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1")
        client.send("GET", NEXT)
        self.assertEqual(client.answer()[0], 202)
        worker.invoke(2)
        self.assertEqual(client.answer()[0], 200)

    def test_connections_may_be_closed_after_each_request(self):
        worker, _, _ = self.start_running()
        client = self.client(worker)
        self.assertEqual(client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1",
                                    ["Connection: close"])[0], 202)
        self.assertEqual(client.socket.recv(1), b"")

    def test_head_and_body_are_one_segment(self):
        worker, client = self.start_ready()
        for number in range(1, 20):
            worker.invoke(number, b"x" * 1000)
            client.receive()
            self.assertTrue(client.data.endswith(b"\r\n\r\n" + b"x" * 1000), "the body came apart from its head")
            client.data = b""
            client.ask("POST", f"/2018-06-01/runtime/invocation/request-{number}/response", b"1")
            client.send("GET", NEXT)

    def test_malformed_http_is_refused_and_others_go_on(self):
        worker, client = self.start_ready()
        bad = self.client(worker)
        bad.socket.sendall(b"\x16\x03\x01\x00\x05hello\r\n\r\n")
        self.assertEqual(bad.answer()[0], 400)
        self.assertEqual(bad.socket.recv(1), b"")
        worker.invoke(1)
        self.assertEqual(client.answer()[0], 200)

    # ---- The end ----

    def test_an_invocation_that_was_not_asked_for_loses_no_attempt(self):
        worker, client, _ = self.start_running()
        client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1")
        self.assertEqual(worker.receive()[0], RESULT)
        worker.invoke(2)
        self.client(worker).ask("GET", "/")
        os.kill(int(worker.started()["pid"]), signal.SIGKILL)
        self.assertEqual(worker.receive_error()[:3], (2, TRANSPORT, "Runtime.ExitError"))
        worker.wait()

    def test_an_exit_under_an_invocation_is_the_workers(self):
        worker, _, _ = self.start_running()
        os.kill(int(worker.started()["pid"]), signal.SIGKILL)
        self.assertEqual(worker.wait(), -signal.SIGKILL)
        self.assertRaises(EOFError, worker.receive)

    def test_shutdown_waits_for_what_is_open_and_terminates_the_environment(self):
        worker, client, _ = self.start_running()
        worker.send(SHUTDOWN, 0)
        self.assertEqual(client.ask("POST", "/2018-06-01/runtime/invocation/request-1/response", b"1")[0], 202)
        self.assertEqual(worker.receive(), (RESULT, 1, b"1"))
        self.assertEqual(worker.wait(), 0)
        self.assertFalse(is_alive(int(worker.started()["pid"])))

    def test_sigterm_waits_for_an_environment_that_takes_its_time(self):
        command = ("/bin/sh", "-c", "trap 'sleep 0.2; echo done > \"$OUT/done\"; exit 0' TERM\n" +
                   ENVIRONMENT.replace("exec sleep 1000", "while :; do sleep 0.01; done"))
        worker = self.start(command=command)
        worker.started()
        os.killpg(worker.process.pid, signal.SIGTERM)
        self.assertEqual(worker.wait(), 0)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "done")))

    def test_a_gateway_that_is_gone_ends_both(self):
        worker, _, _ = self.start_running()
        pid = int(worker.started()["pid"])
        worker.socket.shutdown(socket.SHUT_RDWR)
        self.assertEqual(worker.wait(), 0)
        wait_until(lambda: not is_alive(pid))

    def test_a_worker_that_is_killed_takes_the_environment_along(self):
        worker, _, _ = self.start_running()
        pid = int(worker.started()["pid"])
        worker.process.kill()
        worker.wait()
        wait_until(lambda: not is_alive(pid))


if __name__ == "__main__":
    unittest.main()
