"""mosquitto as another MQTT Server, and a relay in front of it that can fall silent."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import mqtt


class Mosquitto:
    """One mosquitto in a folder of its own, always at the same port; `lines` are added to its configuration."""

    def __init__(self, folder, lines="allow_anonymous true\n"):
        self.program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.folder, self.process = folder, None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with open(os.path.join(folder, "mosquitto.conf"), "w", encoding="ascii") as file:
            file.write(f"listener {self.port} 127.0.0.1\n{lines}")

    @staticmethod
    def is_installed():
        return bool(shutil.which("mosquitto") or os.path.exists("/usr/sbin/mosquitto"))

    def start(self):
        with open(os.path.join(self.folder, "mosquitto.log"), "ab") as log:
            self.process = subprocess.Popen([self.program, "-c", "mosquitto.conf"], cwd=self.folder, stdout=log,
                                            stderr=log)
        until = time.monotonic() + mqtt.HANG_S
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            assert self.process.poll() is None and time.monotonic() < until, "mosquitto did not start"
            time.sleep(0.02)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class Relay:
    """Passes connections on to a port. silence() makes those that are open pass nothing more, in either direction,
    and neither end is told. close() ends them, and refuses others until open()."""

    def __init__(self, port):
        self.target, self.lock, self.links, self.is_open = port, threading.Lock(), [], True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                try:
                    far = socket.create_connection(("127.0.0.1", self.target)) if self.is_open else None
                except ConnectionRefusedError:
                    far = None
                if not far:
                    near.close()
                    continue
                link = {"ends": (near, far), "silent": False}
                self.links.append(link)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(link, source, target), daemon=True).start()

    def pump(self, link, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    if link["silent"]:
                        return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def silence(self):
        with self.lock:
            for link in self.links:
                link["silent"] = True

    def close(self):
        with self.lock:
            self.is_open = False
            for link in self.links:
                for end in link["ends"]:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                    end.close()
            self.links = []

    def open(self):
        with self.lock:
            self.is_open = True

    def stop(self):
        self.close()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
