"""Where the lambda worker's temporary credentials come from, and that none of an event's attempts is lost with them.

    lambda_identity_test.py WORKER SLUICE

The endpoints are played: AWS's IoT credential provider over mutual TLS, a container's, and Lambda, which takes the
credentials that were given out and no others.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from aws_world import World
from worker_peer import TRANSPORT, Worker

WORKER = SLUICE = None


class LambdaCredentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.pki = os.path.join(cls.folder, "pki")
        for arguments in (["init", cls.pki], ["issue", cls.pki, "gateway", "--server", "--host", "localhost"],
                          ["issue", cls.pki, "box-7"]):
            subprocess.run([SLUICE, "pki", *arguments], check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def file(self, name):
        return os.path.join(self.pki, name)

    def start(self, world, settings=None, **environment):
        self.lambda_server = world.serve()
        self.addCleanup(self.lambda_server.server_close)
        self.addCleanup(self.lambda_server.shutdown)
        port = self.lambda_server.server_address[1]
        worker = Worker(WORKER, {"function": "archive", "region": "eu-west-1", "concurrency": 4,
                                 "endpoint": f"http://127.0.0.1:{port}", **(settings or {})},
                        HOME=self.folder, **environment)
        self.addCleanup(worker.kill)
        return worker

    def iot(self, **more):
        """A world whose provider asks for a certificate, and the settings that name it."""
        world = World(iot=True)
        server = world.serve_mutual(self.pki)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        settings = {"endpoint": f"localhost:{server.server_address[1]}", "roleAlias": "edge",
                    "certificate": self.file("box-7.crt"), "key": self.file("box-7.key"), "ca": self.file("ca.crt"),
                    **more}
        return world, {"iotCredentials": settings}

    def container(self, **environment):
        world = World(iot=False)
        server = world.serve()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        uri = f"http://127.0.0.1:{server.server_address[1]}/v2/credentials/7"
        return world, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, **environment}

    def invoked(self, worker, invocation, signer):
        worker.invoke(invocation, {})
        frame = worker.receive()
        self.assertEqual((frame.kind, frame.invocation, json.loads(frame.body)), (5, invocation, signer))

    def test_iot_gives_them_for_a_certificate(self):
        world, settings = self.iot(thingName="box-7")
        worker = self.start(world, settings)
        worker.ready(0)
        worker.ready(4)
        self.invoked(worker, 1, "ID1")
        path, headers = world.requests[0]
        self.assertEqual((path, headers["x-amzn-iot-thingname"]), ("/role-aliases/edge/credentials", "box-7"))
        self.assertEqual(worker.status(), 0)

    def test_ssl_cert_file_names_the_authorities_of_endpoints(self):
        world, settings = self.iot(ca=None)
        worker = self.start(world, settings, SSL_CERT_FILE=self.file("ca.crt"))
        worker.ready(0)
        worker.ready(4)
        world = World(iot=False)
        server = world.serve_tls(self.pki)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        worker = self.start(world, SSL_CERT_FILE=self.file("ca.crt"), AWS_CONTAINER_CREDENTIALS_FULL_URI=
                            f"https://localhost:{server.server_address[1]}/v2/credentials/7")
        worker.ready(0)
        worker.ready(4)

    def test_iot_without_the_certificate_says_why_and_takes_nothing(self):
        world, settings = self.iot(certificate=None, key=None)
        worker = self.start(world, settings)
        worker.ready(0)
        worker.log("no credentials from https://localhost")
        self.assertEqual(world.given, 0)

    def test_a_container_gives_them_for_its_token(self):
        world, environment = self.container(AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic abc")
        world.lifetime_s = None
        worker = self.start(world, **environment)
        worker.ready(0)
        worker.ready(4)
        self.invoked(worker, 1, "ID1")
        self.assertEqual((world.requests[0][0], world.requests[0][1]["Authorization"]),
                         ("/v2/credentials/7", "Basic abc"))

    def test_a_token_file_is_read_for_each_request(self):
        path = os.path.join(self.folder, "token")
        world, environment = self.container(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=path)
        world.lifetime_s = 4
        worker = self.start(world, **environment)
        worker.ready(0)
        worker.log("the file of its token cannot be read")
        for number in (1, 2):
            with open(path + ".new", "w") as file:
                file.write(f"token {number}\n")
            os.rename(path + ".new", path)
            world.wait_until_asked_with(f"token {number}")

    def test_they_are_fetched_again_before_they_expire(self):
        world, environment = self.container()
        world.lifetime_s = 20  # a quarter of it is left then: more than a busy machine stands still for
        worker = self.start(world, **environment)
        worker.ready(0)
        worker.ready(4)
        with world.changed:
            world.lifetime_s = 3600
        self.invoked(worker, 1, "ID1")
        world.wait_until_given(2)
        worker.invoke(2, {})
        self.assertIn(json.loads(worker.receive().body), ("ID1", "ID2"))  # and never a READY of none

    def test_expired_ones_are_not_used_and_cost_nothing(self):
        world, environment = self.container()
        world.lifetime_s = 2
        worker = self.start(world, **environment)
        worker.ready(0)
        worker.ready(4)
        with world.changed:
            world.status, asked = 500, len(world.requests)
        world.wait_until_asked(asked + 1)
        worker.ready(0)
        worker.log("HTTP status 500")
        worker.invoke(1, {})  # it was on its way
        worker.error(1, TRANSPORT, "Lambda.NoCredentials")
        with world.changed:
            world.status, world.lifetime_s = 200, 3600
        worker.ready(4)
        worker.invoke(2, {})
        self.assertEqual(worker.receive().invocation, 2)

    def test_refused_ones_cost_nothing(self):
        world, environment = self.container()
        worker = self.start(world, **environment)
        worker.ready(0)
        worker.ready(4)
        world.valid = {"others"}
        worker.invoke(1, {})
        worker.error(1, TRANSPORT, "ExpiredTokenException")
        worker.log("ExpiredTokenException")

    def test_an_endpoint_without_tls_is_on_this_machine(self):
        for uri in ("http://example.com/", "http://127.0.0.1.example.com/", "http://127.0.0.1:80@example.com/", "file:///x"):
            with self.subTest(uri=uri):
                worker = self.start(World(iot=False), AWS_CONTAINER_CREDENTIALS_FULL_URI=uri)
                message = worker.error(0, TRANSPORT, "Lambda.NoCredentials").message
                self.assertIn(f"AWS_CONTAINER_CREDENTIALS_FULL_URI is '{uri}'; allowed:", message)

    def test_keys_of_the_environment_come_first(self):
        world, environment = self.container()
        world.valid = {"IDenvironment"}
        worker = self.start(world, AWS_ACCESS_KEY_ID="IDenvironment", AWS_SECRET_ACCESS_KEY="s",
                            AWS_SESSION_TOKEN="tokenenvironment", **environment)
        worker.ready(4)
        self.invoked(worker, 1, "IDenvironment")
        self.assertEqual(world.requests, [])


if __name__ == "__main__":
    SLUICE, WORKER = sys.argv.pop(2), sys.argv.pop(1)
    unittest.main(verbosity=2)
