"""What the sections of the hostile bench share: the gateway as a process, the healthy client beside it, and
what must hold after every number.

A section is a module of functions marked with @number. Each gets a Bench, whose `gateway` runs with the
section's `config(bench)`; a number that needs another gateway starts one with bench.another(). After each
number, check() holds the gateway to: it lives, the healthy client's round trips went on, descriptors and
memory are where they were, the log did not grow much, and no sanitizer has spoken. When a gateway stops it
must end with status 0, which with AddressSanitizer also says that nothing leaked.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import mqtt

NUMBERS = {}
FOLDER = os.path.dirname(os.path.abspath(__file__))

# What memory may grow by, from before a number to after it, when everything of it is closed: pools and the
# allocator keep some. AddressSanitizer keeps what was freed for a while, and shadows it.
MEMORY_BOUND = 4 << 20
MEMORY_BOUND_SANITIZED = 48 << 20
LOG_BOUND = 32 << 10
SANITIZERS = re.compile(rb"(ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|Assertion|FATAL).*")


def number(number_, title, keeps_peak=False):
    """`keeps_peak`: in its long form it needs so many small blocks at once that the allocator keeps their pages
    for the next time, between blocks that are in use: so it runs twice, and memory is flat over the second."""
    def register(run):
        assert number_ not in NUMBERS
        NUMBERS[number_] = (title, run, keeps_peak)
        return run
    return register


def wait_until(condition, what):
    """`what` completes "... did not happen"."""
    until = time.monotonic() + mqtt.HANG_S
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {mqtt.HANG_S} s"
        time.sleep(0.02)


def first_in_time(attempts, run):
    """For what a deadline of the gateway would disturb: of the `attempts`, (its seconds, what to try), the first
    that this machine gets done before. run(what, late) returns None when it was not, which late() tells."""
    for deadline_s, what in attempts:
        end = time.monotonic() + deadline_s
        figures = run(what, lambda end=end: time.monotonic() >= end)
        if figures is not None:
            return figures
    raise AssertionError(f"this machine does nothing within {deadline_s} s")


class Gateway:
    """A `sluice run` in a folder of its own. `config` is the configuration file as Python has it."""

    def __init__(self, bench, config, environment=None):
        self.bench, self.config = bench, config
        self.folder = tempfile.mkdtemp(dir=bench.folder)
        self.log_file, self.process = os.path.join(self.folder, "log"), None
        self.environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=4:malloc_context_size=8",
                            "UBSAN_OPTIONS": "print_stacktrace=1", **(environment or {})}

    # ---- Running ----

    def write_config(self, text=None):
        """JSON is YAML."""
        with open(os.path.join(self.folder, "serverless.yml"), "w", encoding="utf-8") as file:
            file.write(json.dumps(self.config) if text is None else text)

    def spawn(self, **options):
        self.out = open(os.path.join(self.folder, "out"), "wb")
        self.log_begin = os.path.getsize(self.log_file) if os.path.exists(self.log_file) else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [self.bench.program, "run", "--config", "serverless.yml"], cwd=self.folder, stdout=self.out,
                stderr=log, env=self.environment, **options)

    def start(self, **options):
        self.write_config()
        self.spawn(**options)
        wait_until(lambda: b"sluice is ready" in self.log() or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, f"the gateway did not start: {self.log().decode()}"
        self.ports = {name: int(port) for name, port in
                      re.findall(r"INFO (\w+) listens on \S*:(\d+)", self.log().decode())}
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.ended(0)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.out.close()

    def ended(self, status):
        got = self.process.wait(mqtt.HANG_S * 2)
        self.out.close()
        self.check_log()
        assert got == status, f"the gateway ended with status {got} where {status} was due: {self.log()[-2000:]}"

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, status=0, write=True):
        """`sluice reload`, which must end with this status; returns it."""
        if write:
            self.write_config()
        done = subprocess.run([self.bench.program, "reload", "--config", "serverless.yml"], cwd=self.folder,
                              capture_output=True, check=False)
        assert status in (None, done.returncode), f"sluice reload: {done.stdout + done.stderr}"
        return done.returncode

    # ---- What it is and holds ----

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def log(self):
        """Since its last start."""
        return self.read("log")[self.log_begin:]

    def check_log(self):
        found = SANITIZERS.search(self.log())
        assert not found, self.log()[found.start():][:4000].decode("utf-8", "replace")

    def memory(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ledger(self):
        """What it printed when it stopped."""
        return json.loads(self.read("out"))

    def dropped(self, reason):
        """Stops it; how many messages it dropped for this reason."""
        self.stop()
        return self.ledger()["dropped"].get(reason, 0)

    # ---- Connecting ----

    def client(self, version=5, **options):
        return mqtt.Client(("127.0.0.1", self.ports["mqtt"]), version, **options)

    def connected(self, client_id="", version=5, **options):
        client = self.client(version)
        client.connect(client_id, **options)
        return client

    def tls_client(self, name=None, version=5, context=None):
        context = context or self.bench.pki.context(name)
        return mqtt.Client(("127.0.0.1", self.ports["mqtts"]), version, tls=context)

    def warm_up_journal(self, topic):
        """What a durable session makes the gateway open stays open: the state, and a segment to read from."""
        durable = mqtt.prop(mqtt.SESSION_EXPIRY, 600)
        with self.connected("kept", properties=durable) as client:
            client.subscribe((topic, 1))
            client.send(mqtt.publish(topic, b"x", 1))
            assert {client.read().kind, client.read().kind} == {mqtt.PUBACK, mqtt.PUBLISH}
        with self.client() as client:
            client.connect("kept", clean=False, properties=durable)
            client.send(mqtt.ack(mqtt.PUBACK, client.expect(mqtt.PUBLISH).packet_id))
            client.send(mqtt.disconnect(0, mqtt.prop(mqtt.SESSION_EXPIRY, 0))).ends()


class Pki:
    """An authority and certificates by `sluice pki`, made when they are first asked for."""

    def __init__(self, bench, name="pki"):
        self.bench, self.folder = bench, os.path.join(bench.folder, name)
        self.run("init", self.folder)
        self.run("issue", self.folder, "gateway", "--server", "--host", "localhost", "--host", "127.0.0.1")

    def run(self, *arguments):
        subprocess.run([self.bench.program, "pki", *arguments], check=True, stdout=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.folder, name)

    def device(self, name):
        if not os.path.exists(self.path(name + ".crt")):
            self.run("issue", self.folder, name)

    def config(self):
        return {"certificate": self.path("gateway.crt"), "key": self.path("gateway.key"),
                "clientCa": self.path("ca.crt")}

    def context(self, name=None, version=None):
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        if version:
            context.minimum_version = context.maximum_version = version
        if name:
            self.device(name)
            context.load_cert_chain(self.path(name + ".crt"), self.path(name + ".key"))
        return context


class HealthyClient:
    """healthy.py beside a gateway."""

    def __init__(self, gateway):
        self.process = subprocess.Popen([sys.executable, os.path.join(FOLDER, "healthy.py"),
                                         str(gateway.ports["mqtt"])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the healthy client did not get in"

    def report(self):
        """The round trips since the last report; fails when they did not go on."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("?")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the healthy client's round trips did not go on"
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@contextlib.contextmanager
def healthy_beside(gateway):
    """A healthy client beside the gateway of one number."""
    healthy = HealthyClient(gateway)
    try:
        yield healthy
    finally:
        healthy.stop()


class Bench:
    """Runs numbers of one section. `full`: as long as the list of inputs says, not shortened for CI."""

    def __init__(self, build, section, full):
        self.build, self.section, self.full = os.path.abspath(build), section, full
        self.program = os.path.join(self.build, "bin", "sluice")
        self.folder = tempfile.mkdtemp(prefix="sluice-hostile-")
        with open(self.program, "rb") as file:
            self.sanitized = b"__asan_init" in file.read()
        self._pki = self.gateway = self.healthy = None
        self.idle_descriptors = 0  # when the number began

    def count(self, short, full):
        return full if self.full else short

    @property
    def pki(self):
        if not self._pki:
            self._pki = Pki(self)
        return self._pki

    # ---- The section's gateway ----

    def begin(self):
        self.gateway = Gateway(self, self.section.config(self)).start()
        self.healthy = HealthyClient(self.gateway)
        self.warm_up()

    def warm_up(self):
        """Pools, tables and the allocator get their usual size before anything is measured."""
        clients = [self.gateway.connected() for _ in range(50)]
        for client in clients:
            client.subscribe("warm/#")
        clients[0].publish("warm/up", b"x" * 200000, qos=0)
        for client in clients:
            client.expect(mqtt.PUBLISH)
        self.gateway.warm_up_journal("warm/kept")
        for client in clients:
            client.close()
        self.healthy.report()

    def end(self):
        """Stops what runs; the temporary folder goes."""
        try:
            if self.healthy:
                self.healthy.stop()
            if self.gateway and self.gateway.process.poll() is None:
                self.gateway.stop()
        finally:
            self.kill_rest()
            shutil.rmtree(self.folder, ignore_errors=True)

    def abandon(self):
        """After a failure, what the gateway ends with says no more; what it said before does."""
        if self.gateway and self.gateway.process:
            print(f"the gateway's status: {self.gateway.process.poll()}; its log: {self.gateway.log()[-2000:].decode()}")
        self.kill_rest()
        self.end()

    def kill_rest(self):
        if self.gateway and self.gateway.process and self.gateway.process.poll() is None:
            self.gateway.kill()

    @contextlib.contextmanager
    def another(self, config, environment=None, start=True):
        """A gateway for one number; it is stopped, and must have stayed clean."""
        gateway = Gateway(self, config, environment)
        try:
            if start:
                gateway.start()
            yield gateway
            if gateway.process and gateway.process.poll() is None:
                gateway.check_log()
                gateway.stop()
        finally:
            if gateway.process and gateway.process.poll() is None:
                gateway.kill()

    # ---- One number ----

    def run(self, number_):
        """Runs it and checks; returns the figures for its line."""
        _, run, keeps_peak = NUMBERS[number_]
        if self.full and keeps_peak:
            run(self)
        self.healthy.report()
        self.idle_descriptors = self.gateway.descriptors()
        before = self.gateway.memory(), self.idle_descriptors, len(self.gateway.log())
        figures = run(self)
        report = self.healthy.report()
        return self.check(before, report) + (f", {figures}" if figures else "")

    def check(self, before, report):
        memory, descriptors, log = before
        gateway = self.gateway
        assert gateway.process.poll() is None, f"the gateway ended: {gateway.log()[-2000:]}"
        gateway.check_log()
        wait_until(lambda: gateway.descriptors() <= descriptors,
                   f"the return of descriptors from {gateway.descriptors()} to {descriptors}")
        bound = memory + (MEMORY_BOUND_SANITIZED if self.sanitized else MEMORY_BOUND)
        wait_until(lambda: gateway.memory() <= bound,
                   f"the return of memory from {gateway.memory() >> 10} kB to {bound >> 10} kB")
        grown = len(gateway.log()) - log
        assert grown <= LOG_BOUND, f"the log grew by {grown} bytes"
        return (f"memory {(gateway.memory() - memory) / 1024:+.0f} kB, descriptors "
                f"{gateway.descriptors() - descriptors:+d}, p99 {report['p99_ms']:.2f} ms of {report['count']}")


def open_access(*topics):
    """Rules that let anonymous Clients use the bench's own topics and these."""
    filters = ["healthy/#", "warm/#", *topics]
    return [{"who": "anonymous", "publish": filters, "subscribe": list(filters)}]


# A rate of connections that the bench itself does not meet.
BENCH_LIMITS = {"connectRate": 1000000}


def plain_config(*topics, limits=None, **more):
    return {"gateway": {"listen": {"mqtt": "127.0.0.1:0"}, "anonymous": ["mqtt"], "access": open_access(*topics),
                        "limits": {**BENCH_LIMITS, **(limits or {})}, **more}}


# ---- Refusals ----

def expect_refused_connect(gateway, packet_bytes, version, reason, row):
    """A CONNECT is answered with a CONNACK that refuses it, or, with reason None, with the end alone."""
    with gateway.client(version) as client:
        client.send(packet_bytes)
        expect_end(client, mqtt.CONNACK, reason, row)


def expect_disconnected(gateway, packet_bytes, version, reason, row, **options):
    """After a good CONNECT these bytes end the connection; version 5 is told why: `reason`, or one of several."""
    with gateway.connected(version=version, **options) as client:
        client.send(packet_bytes)
        expect_end(client, mqtt.DISCONNECT, reason if version == 5 else None, row)


def expect_end(client, kind, reason, row):
    """The Server closes, after a packet of `kind` with this reason or one of these; None: in silence."""
    got = client.read()
    if reason is None:
        assert got is None, f"{row}: the Server sent {got} where it had to close in silence"
        return
    allowed = reason if isinstance(reason, (tuple, set)) else (reason,)
    assert got is not None, f"{row}: the Server closed without {mqtt.NAMES[kind]}"
    assert got.kind == kind and got.reason in allowed, \
        f"{row}: the Server sent {got} where {mqtt.NAMES[kind]} {[hex(one) for one in allowed]} was due"
    last = client.read()
    assert last is None, f"{row}: the Server sent {last} after {got}"
