"""SDK and functions: numbers 58 to 60."""

import os
import stat
import subprocess
import sys

import bench
import mqtt
from bench import number, wait_until


def config(_bench):
    return bench.plain_config("t/#")


def run_program(bench_, program):
    """A test program of the build, which must pass; returns what it says."""
    path = os.path.join(bench_.build, "tests", program)
    assert os.path.exists(path), f"{path} is not built"
    done = subprocess.run([path], capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    return output


@number(58, "A hostile Server to the SDK")
def hostile_server(bench_):
    """device_link_test gives the device's engine each of these packets, before and after it is online."""
    output = run_program(bench_, "device_link_test")
    for name in ("a_hostile_server_is_left", "an_unlimited_sender_is_left", "unknown_acknowledgements_change_nothing"):
        assert f"OK ] {name}" in output, name


@number(59, "Wrong host name, bad or empty CA, at the second connect too")
def wrong_gateway(bench_):
    """port_test connects the device's TLS to the real gateway's certificate first, then twice to each wrong one."""
    output = run_program(bench_, "port_test")
    for name in ("only_the_gateway_is_accepted", "wrong_files_are_named"):
        assert f"OK ] {name}" in output, name


WORKER = """#!{python}
import os, signal, socket, struct, sys, time
link = socket.socket(fileno=int(os.environ["SLUICE_WORKER_FD"]))
mode = os.environ["MODE"]

def read(size):
    data = b""
    while len(data) < size:
        some = link.recv(size - len(data))
        if not some:
            os._exit(0)
        data += some
    return data

def frame():
    length, kind, invocation = struct.unpack(">IBQ", read(13))
    return kind, invocation, read(length - 9)

def answer(kind, invocation, body):
    link.sendall(struct.pack(">IBQ", len(body) + 9, kind, invocation) + body)

frame()
if mode == "garbage at once":
    link.sendall(os.urandom(4096))
answer(4, 0, struct.pack(">II", 1, 0))
if mode == "never reads":
    time.sleep(1000)
while True:
    kind, invocation, body = frame()
    if kind == 3:
        os._exit(0)
    if mode == "garbage":
        link.sendall(b"this is no frame of the worker protocol" * 1000)
    elif mode == "dies in mid-frame":
        link.sendall(struct.pack(">IBQ", 1000, 5, invocation) + b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "claims 4 GB":
        link.sendall(struct.pack(">IBQ", 0xFFFFFFFF, 5, invocation))
    elif mode == "logs without end":
        while True:
            answer(7, invocation, b"\\3" + b"x\\n" * 30000)
    elif mode == "answers another":
        answer(5, invocation + 1, b"{{}}")
    elif mode == "is ready twice":
        answer(4, 0, struct.pack(">II", 1, 0))
    elif mode == "forks":
        if os.fork():
            os._exit(0)
        os.fork()
        time.sleep(1000)
    elif mode == "prints 1 GB":
        line = b"x" * 1023 + b"\\n"
        for _ in range(1 << 10):
            os.write(1, line * 1024)
    else:
        answer(5, invocation, body[-1:])
    if mode != "good":
        time.sleep(1000)
"""
FATAL_MODES = ("garbage", "never reads", "dies in mid-frame", "claims 4 GB", "logs without end", "answers another",
               "is ready twice", "forks", "prints 1 GB")


def functions_config(bench_):
    made = bench.plain_config("t/#", "done/#", "good")
    made["gateway"]["workers"] = {"restartBase": 0.001, "restartCap": 0.05, "sandbox": "off"}  # the worker is a script of the test
    handler = os.path.join(bench_.build, "tests", "echo.so")
    made["functions"] = {}
    for i, mode in enumerate((*FATAL_MODES, "good")):
        topic = "good" if mode == "good" else f"t/{i}"
        made["functions"][f"f{i}"] = {
            "handler": handler, "runtime": "native", "timeout": 2 if mode in FATAL_MODES else 60, "maximumRetryAttempts": 1,
            "environment": {"MODE": mode}, "reply": f"done/{i}",
            "events": [{"iot": {"sql": f"SELECT * FROM '{topic}'"}}]}
    return made


@number(60, "Workers that write garbage, never read, fork, flood, die in mid-frame")
def hostile_workers(bench_):
    workers = os.path.join(bench_.folder, "workers")
    os.makedirs(workers, exist_ok=True)
    program = os.path.join(workers, "native")
    with open(program, "w", encoding="ascii") as file:
        file.write(WORKER.format(python=sys.executable))
    os.chmod(program, stat.S_IRWXU)
    faults = len(FATAL_MODES)
    with bench_.another(functions_config(bench_), {"SLUICE_WORKERS": workers}) as gateway:
        before = gateway.memory()
        with gateway.connected("reader") as reader, gateway.connected("publisher") as publisher, \
                bench.healthy_beside(gateway) as healthy:
            reader.subscribe("done/#")
            for i in range(faults):
                assert publisher.publish(f"t/{i}", '{"x":1}') == 0
            publisher.publish("good", '{"x":1}')  # the others' faults are not its own
            answered = reader.expect(mqtt.PUBLISH).topic
            assert answered == f"done/{faults}".encode(), str(answered)
            wait_until(lambda: dead_letters(bench_, gateway)[1] >= faults, "the end of all retries")
            names, count = dead_letters(bench_, gateway)
            assert count == faults and names == {f"f{i}" for i in range(faults)}, names
            assert not reader.alive(), "a fault had a result"
            report = healthy.report()
        held = gateway.memory() - before
        assert held < (64 << 20) + (64 << 20) * bench_.sanitized, f"memory grew by {held >> 10} kB"
        assert len(gateway.log()) < 1 << 20, "the log has all that a worker printed"
        gateway.stop()
        left = subprocess.run(["pgrep", "-f", program], capture_output=True, text=True, check=False).stdout.split()
        assert not left, f"processes of workers are left: {left}"
        ledger = gateway.ledger()
        assert ledger["deadLetters"] == faults and ledger["invoked"] == 1, str(ledger)
    return f"{faults} faults dead-lettered, p99 beside them {report['p99_ms']:.2f} ms"


def dead_letters(bench_, gateway):
    """The functions that have some, and how many there are; each must have been tried twice."""
    listed = subprocess.run([bench_.program, "dlq", "ls"], cwd=gateway.folder, check=True, capture_output=True, text=True)
    lines = listed.stdout.splitlines()[:-1]
    assert all("  2 attempts, " in line for line in lines), lines
    return {line.split("  ")[2] for line in lines}, len(lines)
