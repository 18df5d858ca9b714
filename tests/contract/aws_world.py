"""AWS as the tests of credentials need it: an endpoint that gives temporary ones out, as the AWS IoT credential
provider over mutual TLS or as a container's, and a Lambda that takes those given out and no others.

    aws_world.py PKI     serves IoT's for the authority in PKI, and its Lambda, and a container's, and its Lambda; prints
                         the four ports; ends with its input
"""

import datetime
import http.server
import json
import os
import re
import ssl
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def answer(self, status, document, headers=()):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.world.give_out(self)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.world.invoke(self)


class World:
    """`lifetime_s`: None for no Expiration; `status`: what the endpoint answers with."""

    def __init__(self, iot):
        self.iot, self.lifetime_s, self.status, self.given, self.requests = iot, 3600, 200, 0, []
        self.changed, self.valid = threading.Condition(), set()  # identifiers that Lambda takes

    def serve(self, context=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.world, server.daemon_threads = self, True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def give_out(self, request):
        with self.changed:
            self.requests.append((request.path, dict(request.headers)))
            if self.status != 200:
                request.answer(self.status, {})
            else:
                self.given += 1
                self.valid.add(f"ID{self.given}")
                request.answer(200, self.document())
            self.changed.notify_all()

    def document(self):
        values = [f"ID{self.given}", "secret", f"token{self.given}"]
        if self.lifetime_s is not None:
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.lifetime_s)
            values.append(end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if self.iot:
            return {"credentials": dict(zip(("accessKeyId", "secretAccessKey", "sessionToken", "expiration"), values))}
        return dict(zip(("AccessKeyId", "SecretAccessKey", "Token", "Expiration"), values))

    def invoke(self, request):
        signer = re.search(r"Credential=(\w+)/", request.headers["Authorization"])[1]
        if signer not in self.valid or request.headers["X-Amz-Security-Token"] != f"token{signer[2:]}":
            request.answer(403, {"message": "expired"}, [("X-Amzn-ErrorType", "ExpiredTokenException")])
        else:
            request.answer(200, signer)

    def serve_mutual(self, pki):
        return self.serve_tls(pki, ssl.CERT_REQUIRED)

    def serve_tls(self, pki, clients=ssl.CERT_NONE):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=os.path.join(pki, "ca.crt"))
        context.verify_mode = clients
        context.load_cert_chain(os.path.join(pki, "gateway.crt"), os.path.join(pki, "gateway.key"))
        return self.serve(context)

    def wait_until_given(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: self.given >= count, 60), f"{self.given} and not {count}"

    def wait_until_asked(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, 60), f"{self.requests}"

    def wait_until_asked_with(self, token):
        with self.changed:
            assert self.changed.wait_for(
                lambda: any(headers["Authorization"] == token for _, headers in self.requests), 60), f"{self.requests}"


def main():
    iot, container = World(iot=True), World(iot=False)
    servers = [iot.serve_mutual(sys.argv[1]), iot.serve(), container.serve(), container.serve()]
    print(*[server.server_address[1] for server in servers], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
