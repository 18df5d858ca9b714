"""Access: numbers 36 to 43."""

import os
import resource
import ssl
import subprocess
import time

import bench
import der
import mqtt
from bench import number, wait_until
from mqtt import Will, ack, connect, prop, publish

VERSIONS = (4, 5)
DURABLE = prop(mqtt.SESSION_EXPIRY, 3600)
DEVICE_RULE = {"who": "device:*", "publish": ["farm/%u/#"], "subscribe": ["farm/%u/#", "home/+"]}


def config(bench_):
    made = bench.plain_config("open/#")
    made["gateway"]["access"][0]["subscribe"] += ["home/+", "+/x/y"]
    return with_tls(bench_, made)


def with_tls(bench_, made):
    made["gateway"]["listen"]["mqtts"] = "127.0.0.1:0"
    made["gateway"]["tls"] = bench_.pki.config()
    made["gateway"]["access"] += [DEVICE_RULE, {"who": "device:victim", "publish": ["secret/#"]}]
    return made


# ---- 36, 37 ----

FORBIDDEN_FILTERS = ("home/#", "home/+/#", "home/+/+", "home", "#", "+/#", "+", "+/+", "+/a", "home/a/b", "/home/a",
                     "+/x/+", "+/x/#", "+/+/y", "x/x/y/#", "$SYS/#", "secret/#")
ALLOWED_FILTERS = ("home/+", "home/a", "home/", "+/x/y", "a/x/y", "open/#", "open", "open/+/#")


@number(36, "A filter wider than what is allowed")
def wide_filters(bench_):
    for version in VERSIONS:
        with bench_.gateway.connected(version=version) as client:
            for name in FORBIDDEN_FILTERS:
                assert client.subscribe(name) == (b"\x87" if version == 5 else b"\x80"), name
            for name in ALLOWED_FILTERS:
                assert client.subscribe(name) == b"\0", name
            reasons = client.subscribe("home/a", "home/#", "open/x")  # one by one
            assert [reason >= 0x80 for reason in reasons] == [False, True, False], reasons.hex()


@number(37, "A Shared Subscription to what is not allowed")
def shared_filters(bench_):
    for version in VERSIONS:
        with bench_.gateway.connected(version=version) as client:
            for name in FORBIDDEN_FILTERS:
                assert client.subscribe(f"$share/g/{name}") == (b"\x87" if version == 5 else b"\x80"), name
            for name in ALLOWED_FILTERS:
                assert client.subscribe(f"$share/g/{name}") == b"\0", name
            assert client.subscribe("$share/open/secret/x") != b"\0", "the group's name is no topic"


# ---- 38, 39 ----

def rules(publish_filters, subscribe_filters):
    return [{"who": "anonymous", "publish": publish_filters, "subscribe": subscribe_filters}]


def ways_to_withdraw(bench_):
    """(name, function(gateway, rules)): with a reload, and with a restart in between."""
    def by_reload(gateway, access):
        gateway.config["gateway"]["access"] = access
        gateway.reload()

    def by_restart(gateway, access):
        gateway.kill()
        gateway.config["gateway"]["access"] = access
        gateway.start()
    return (("reload", by_reload), ("restart", by_restart))


@number(38, "A right withdrawn from an offline durable Client")
def withdrawn_offline(bench_):
    for name, withdraw in ways_to_withdraw(bench_):
        with bench_.another(bench.plain_config()) as gateway:
            gateway.config["gateway"]["access"] = rules(["#"], ["t/#", "other/#"])
            gateway.restart()
            with gateway.connected("sleeper", properties=DURABLE) as client:
                assert client.subscribe(("t/#", 1), ("other/a", 1), ("$share/g/t/a", 1)) == b"\1\1\1"
            with gateway.connected("before") as publisher:
                publisher.publish("t/a", "queued before")
            withdraw(gateway, rules(["#"], ["other/#"]))
            with gateway.connected("after") as publisher:
                publisher.publish("t/a", "after")
                publisher.publish("other/a", "allowed")
            with gateway.client() as client:
                assert client.connect("sleeper", clean=False, properties=DURABLE).session_present
                got = client.expect(mqtt.PUBLISH)
                assert got.payload == b"allowed", f"{name}: {got.payload} came after the right was withdrawn"
                client.send(ack(mqtt.PUBACK, got.packet_id))
                assert not client.alive()
            withdraw(gateway, rules(["#"], ["t/#", "other/#"]))  # given back, the subscription is not
            with gateway.connected("again") as publisher:
                publisher.publish("t/a", "again")
            with gateway.client() as client:
                client.connect("sleeper", clean=False, properties=DURABLE)
                came = [got.payload for got in client.alive() if got.kind == mqtt.PUBLISH]
                assert b"again" not in came, f"{name}: an old subscription lives again"
            if name == "reload":  # a restart forgets what was counted
                assert gateway.dropped("not_allowed") > 0, "what was queued is not counted as dropped"


@number(39, "Messages of a publisher whose right was withdrawn")
def withdrawn_publisher(bench_):
    for name, withdraw in ways_to_withdraw(bench_):
        with bench_.another(bench.plain_config()) as gateway:
            gateway.config["gateway"]["access"] = rules(["t/#", "other/#"], ["#"])
            gateway.restart()
            with gateway.connected("reader", properties=DURABLE) as reader:
                reader.subscribe(("t/#", 2), ("other/#", 2))
            dying = leave_messages(gateway)
            withdraw(gateway, rules(["other/#"], ["#"]))
            dying.close()
            with gateway.client() as writer:  # its half-done message may be finished, or it may be refused
                writer.connect("writer", clean=False, properties=DURABLE)
                writer.send(ack(mqtt.PUBREL, 7)).expect(mqtt.PUBCOMP)
                assert writer.publish("t/new", "new") == 0x87
            gateway.connected("dying", clean=True).close()  # ends its session: its will is due
            with gateway.connected("fresh") as fresh:
                fresh.subscribe("t/#")
                assert not fresh.alive(), f"{name}: a retained message outlives the right to publish it"
            with gateway.client() as reader:
                reader.connect("reader", clean=False, properties=DURABLE)
                got = reader.expect(mqtt.PUBLISH).payload
                assert got == b"allowed", f"{name}: {got} came after the right was withdrawn"
                assert not reader.alive()
            # Retained, will, three of the queue, and the new one.
            assert (dropped := gateway.dropped("not_allowed")) == 6, f"{name}: {dropped} of 6 counted"


def leave_messages(gateway):
    """A retained, a queued, and a half-done QoS 2 message, and a will; one of another topic stays allowed."""
    with gateway.connected("writer", properties=DURABLE) as writer:
        assert writer.publish("t/kept", "retained", retain=True) == 0
        assert writer.publish("t/queued", "queued", 2) == 0
        writer.send(publish("t/half", "half", 2, 7)).expect(mqtt.PUBREC, 0)
        assert writer.publish("other/a", "allowed", packet_id=9) == 0
    return gateway.connected("dying", properties=DURABLE, will=Will("t/will", "will", 1, properties=prop(
        mqtt.WILL_DELAY, 600)))


# ---- 40, 41 ----

@number(40, "Another device's Client Identifier with a valid certificate")
def borrowed_client_id(bench_):
    gateway = bench_.gateway
    for version in VERSIONS:
        def refused(name, id_):
            with gateway.tls_client(name, version) as client:
                got = client.send(connect(id_, version, clean=True)).read()
                assert got is None or got.kind == mqtt.CONNACK and got.reason, f"{name} as {id_}: {got}"
        with gateway.tls_client("victim", version) as victim:
            victim.connect("victim", properties=DURABLE)
            assert victim.subscribe(("farm/victim/in", 1)) == b"\1"
            refused("attacker", "victim")
            victim.alive()
        refused("attacker", "victim")  # while it is offline: version 5's session is kept
        if version == 5:  # nor without a certificate, on the other listener
            bench.expect_refused_connect(gateway, connect("victim"), 5, {0x85, 0x87}, "anonymous as victim")
        with gateway.tls_client("victim", version) as victim:
            victim.connect("victim", clean=True)
            victim.send(mqtt.disconnect()).ends()
        refused("attacker", "victim")  # and without one
        with gateway.tls_client("attacker", version) as client:
            client.connect("attacker")


def subjects():
    """Subjects that are not the victim's, whatever they look like."""
    victim, attacker = der.attribute(b"victim"), der.attribute(b"attacker")
    yield "one RDN of two names", der.name([attacker, victim])
    yield "two RDNs, the victim first", der.name([victim], [attacker])
    yield "two RDNs, the victim last", der.name([attacker], [victim])
    yield "the victim twice", der.name([victim], [victim])
    yield "the victim as organization", der.name([der.attribute(b"victim", der.ORGANIZATION)], [attacker])
    yield "no name", der.name()
    for value in (b"*", b"v*", b"device:*", b"%c", b"%u", b"+", b"#", b"victim/#", b"", b" victim", b"victim ", b"VICTIM",
                  b"victim\0", b"victim\0.evil", b"\0victim", b"victim\n", b"victim\r\n", b"victim,CN=x", b"victim+CN=x",
                  b"v" * 64, b"victim" + b"x" * 200, b"victi\xcd\xad", b"\xff\xfe"):
        yield f"CN {value!r}", der.common_name(value)
    yield "BMPString", der.common_name("victim".encode("utf-16-be"), der.BMP)
    yield "BMPString that reads as the victim", der.common_name(b"victim", der.BMP)
    yield "TeletexString", der.common_name(b"victim\0", der.TELETEX)
    yield "PrintableString with NUL", der.common_name(b"victim\0x", der.PRINTABLE)


def alternative_names():
    """The same where the name is read from the Subject Alternative Name: (row, extension)."""
    dns, mail, uri, address = 0x82, 0x81, 0x86, 0x87
    yield "no names", None
    yield "victim as an address", der.alternative_names((address, b"vict"))
    yield "two DNS names", der.alternative_names((dns, b"attacker"), (dns, b"victim"))
    yield "the victim first", der.alternative_names((dns, b"victim"), (dns, b"attacker"))
    yield "DNS name and mail", der.alternative_names((mail, b"attacker"), (dns, b"victim"))
    yield "the victim twice", der.alternative_names((dns, b"victim"), (dns, b"victim"))
    for value in (b"*", b"victim\0", b"victim\0.evil", b"", b"victim ", b"VICTIM", b"victim.evil", b"v*", b"\xffvictim",
                  b"victim\n", b"+", b"%u", b"x" * 300):
        for kind in (dns, mail, uri):
            yield f"{kind:#x} {value!r}", der.alternative_names((kind, value))


def is_nobody_else(gateway, row):
    """Who has the certificate `crafted` is not the victim; whether it is somebody."""
    try:
        client = gateway.tls_client("crafted")
    except (ssl.SSLError, ConnectionError):
        return False
    with client:
        got = client.send(connect("victim")).read()
        assert got is None or got.reason, f"{row} has the victim's Client Identifier"
    with gateway.tls_client("crafted") as client:
        got = client.send(connect("")).read()
        if not got or got.reason:
            return False
        for topic in ("farm/victim/x", "secret/x"):
            assert client.publish(topic, "x") == 0x87, f"{row} may publish to {topic}"
        reasons = client.subscribe("farm/victim/#", "farm/#", "farm/+/#", "farm/+/x")
        assert reasons == b"\x87" * 4, f"{row}: {reasons.hex()}"
    return True


@number(41, "Certificates with crafted names")
def crafted_names(bench_):
    authority, gateway, taken = der.Authority(bench_.pki.folder), bench_.gateway, 0
    with gateway.tls_client("victim") as victim, gateway.connected("home") as home:
        victim.connect("victim")
        home.subscribe("open/#", "home/+")
        for row, subject in subjects():
            authority.certificate("crafted", subject)
            taken += is_nobody_else(gateway, row)
        victim.alive()
    made = with_tls(bench_, bench.plain_config())
    made["gateway"]["tls"]["identity"] = "subjectAltName"
    authority.certificate("named", der.common_name(b"x"), extensions=[der.alternative_names((0x82, b"victim"))])
    with bench_.another(made) as gateway, gateway.tls_client("named") as victim:
        victim.connect("victim")
        for row, names in alternative_names():
            authority.certificate("crafted", der.common_name(b"victim"), extensions=[names] if names else ())
            taken += is_nobody_else(gateway, row)
        victim.alive()
    return f"{taken} let in, as themselves"


# ---- 42 ----

def let_in(gateway, context, session=None):
    """Whether a device gets a CONNACK that accepts; and its TLS session."""
    try:
        raw_socket = mqtt.socket.create_connection(("127.0.0.1", gateway.ports["mqtts"]), mqtt.HANG_S)
        with context.wrap_socket(raw_socket, server_hostname="localhost", session=session) as secure:
            secure.sendall(connect("", 5))
            return secure.recv(4)[:1] == b"\x20", secure.session, secure.session_reused
    except (ssl.SSLError, ConnectionError):
        return False, None, False


@number(42, "Certificates that are revoked, expired, early, of a wrong kind; a CRL that is bad")
def bad_certificates(bench_):
    authority = der.Authority(bench_.pki.folder)
    rows = {"expired": {"begin": -10, "end": -1}, "early": {"begin": 1}, "server": {"usage": der.SERVER_AUTH}}
    for row, options in rows.items():
        authority.certificate(row, der.common_name(row.encode()), **options)
    serials = [authority.certificate(name, der.common_name(name.encode())) for name in ("revoked", "good")]
    foreign = bench.Pki(bench_, "foreign")
    foreign.device("good")
    with bench_.another(with_tls(bench_, bench.plain_config())) as gateway:
        crl = os.path.join(gateway.folder, "crl.pem")
        gateway.config["gateway"]["tls"] = {**bench_.pki.config(), "crl": crl}
        write(crl, authority.crl())
        gateway.restart()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            write(crl, authority.crl())
            gateway.reload()
            contexts = {row: bench_.pki.context(row, version) for row in (*rows, "revoked", "good")}
            assert let_in(gateway, contexts["good"])[0]
            accepted, session, _ = let_in(gateway, contexts["revoked"])
            assert accepted, "a certificate is refused that is not revoked yet"
            assert let_in(gateway, contexts["revoked"], session)[::2] == (True, True), "the session is not resumed"
            for row in rows:
                assert not let_in(gateway, contexts[row])[0], f"{row}: let in"
            assert not let_in(gateway, foreign_context(bench_, foreign, version))[0], "another authority's is let in"
            write(crl, authority.crl(serials[0]))
            revoked_while_connected(gateway, contexts, session)
            bench.first_in_time([(4, 4), (15, 15), (60, 60)], lambda life_s, late: expired_since(
                bench_, gateway, authority, version, life_s, late))
        bad_crls(bench_, gateway, crl, authority, serials, foreign)


def write(path, text):
    with open(path, "w", encoding="latin-1") as file:
        file.write(text)


def foreign_context(bench_, foreign, version):
    context = bench_.pki.context(version=version)
    context.load_cert_chain(foreign.path("good.crt"), foreign.path("good.key"))
    return context


def revoked_while_connected(gateway, contexts, session):
    revoked = contexts["revoked"]
    with gateway.tls_client(context=revoked) as connected, gateway.tls_client(context=contexts["good"]) as good:
        connected.connect("")
        good.connect("")
        gateway.reload()
        got = connected.send(mqtt.PING).read()
        assert got is None or got.kind == mqtt.DISCONNECT, "a connection outlives its certificate's revocation"
        good.alive()
    assert not let_in(gateway, revoked)[0], "a revoked certificate is let in"
    assert not let_in(gateway, revoked, session)[0], "a revoked certificate is let in by resumption"
    assert let_in(gateway, contexts["good"])[0]


def expired_since(bench_, gateway, authority, version, life_s, late):
    """A certificate that was good when its session began, and has expired when it is resumed."""
    authority.certificate("short", der.common_name(b"short"), end=life_s / 86400)
    context = bench_.pki.context("short", version)
    accepted, session, _ = let_in(gateway, context)
    resumed = accepted and let_in(gateway, context, session)[::2] == (True, True)
    if late():
        return None
    assert resumed, "a certificate is refused that has not expired yet"
    wait_until(late, "the expiry of the certificate")
    wait_until(lambda: not let_in(gateway, context, session)[0], "the refusal of an expired certificate's session")
    assert not let_in(gateway, context)[0], "an expired certificate is let in"
    return ""


def bad_crls(bench_, gateway, crl, authority, serials, foreign):
    """At reload the old list stays in force; at start the gateway does not."""
    good = authority.crl(serials[0])
    rows = {"empty": "", "no PEM": "corrupt", "cut off": good[:len(good) // 2], "of another kind": pem_of(bench_),
            "damaged": good.replace("\n", "\nAAAA", 1),
            "of another authority": der.Authority(foreign.folder).crl(serials[0])}
    for row, text in rows.items():
        write(crl, text)
        assert gateway.reload(status=None) != 0, f"a CRL that is {row} was taken"
        assert not let_in(gateway, bench_.pki.context("revoked"))[0], f"{row}: revoked, and let in"
        assert let_in(gateway, bench_.pki.context("good"))[0], f"{row}: good, and not let in"
    write(crl, authority.crl(serials[0], begin=-9, end=-1))
    gateway.reload(status=None)  # it may be taken, but who has been revoked since is not known
    for name in ("revoked", "good"):
        assert not let_in(gateway, bench_.pki.context(name))[0], f"the CRL is out of date, and {name} is let in"
    os.remove(crl)
    assert gateway.reload(status=None) != 0, "a missing CRL was taken"
    assert not let_in(gateway, bench_.pki.context("revoked"))[0]
    gateway.stop()
    for row, text in {"missing": None, **rows}.items():
        if text is not None:
            write(crl, text)
        gateway.spawn()
        assert gateway.process.wait(mqtt.HANG_S) in (1, 2), f"the gateway runs with a CRL that is {row}"
        assert gateway.log().startswith(b"ERROR") or b": " in gateway.log(), "it does not say why"


def pem_of(bench_):
    with open(bench_.pki.path("ca.crt"), encoding="ascii") as file:
        return file.read()


# ---- 43 ----

BAD_RULES = {
    "empty file": "", "binary": "\0\1\2\xff", "not YAML": "gateway: {access: [", "access is a word": "gateway: {access: none}",
    "no who": "gateway: {access: [{publish: ['#']}]}", "who is nobody": "gateway: {access: [{who: x, publish: ['#']}]}",
    "bad filter": "gateway: {access: [{who: anonymous, publish: ['a/#/b']}]}",
    "unknown key": "gateway: {access: [{who: anonymous, publsh: ['#']}]}", "cut off": "gateway:\n  access:\n    - {who: anon",
    "empty access": "gateway: {access: }", "no rules": "gateway: {access: []}",
}


@number(43, "Access rules that are empty, corrupt or unreadable")
def bad_rules(bench_):
    for row, text in BAD_RULES.items():
        with bench_.another({}, start=False) as gateway:
            gateway.write_config(text)
            gateway.spawn()
            assert gateway.process.wait(mqtt.HANG_S) in (1, 2), f"the gateway runs with {row}"
            assert gateway.log(), f"{row}: it does not say why"
    no_start(bench_)
    with bench_.another(bench.plain_config("t/#")) as gateway:
        with gateway.connected("stays") as client:
            client.subscribe("t/a")
            for row, text in BAD_RULES.items():
                gateway.write_config(text)
                assert gateway.reload(status=None, write=False) != 0, f"{row} was taken"
                still_the_old_rules(gateway, client, row)
            unreadable(gateway, client)
            without_descriptors(gateway, client)
            still_the_old_rules(gateway, client, "good")


def still_the_old_rules(gateway, client, row):
    assert client.publish("elsewhere") == 0x87, row
    client.publish("t/a", "x", qos=0)
    assert client.expect(mqtt.PUBLISH).topic == b"t/a", row
    gateway.connected().close()


def unreadable(gateway, client):
    """Not by its mode, which root does not mind: it is not there, and then a folder."""
    path = os.path.join(gateway.folder, "serverless.yml")
    for row, change in (("missing", os.remove), ("a folder", os.mkdir)):
        errors = gateway.log().count(b"ERROR reload: ")
        change(path)
        gateway.process.send_signal(bench.signal.SIGHUP)  # `sluice reload` reads the file itself
        wait_until(lambda: gateway.log().count(b"ERROR reload: ") > errors, f"an error of the reload ({row})")
        still_the_old_rules(gateway, client, row)
    os.rmdir(path)
    gateway.write_config()


def without_descriptors(gateway, client):
    """With not one descriptor left good rules cannot be read: the old ones stay."""
    errors = gateway.log().count(b"ERROR reload: ")
    pid, limits = gateway.process.pid, resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    gateway.config["gateway"]["access"] = bench.open_access("elsewhere")
    gateway.write_config()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    gateway.process.send_signal(bench.signal.SIGHUP)
    wait_until(lambda: gateway.log().count(b"ERROR reload: ") > errors, "an error of the reload")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    still_the_old_rules(gateway, client, "no descriptors")
    gateway.reload()
    assert client.publish("elsewhere") == 0, "with descriptors the new rules are taken"
    gateway.config["gateway"]["access"] = bench.open_access("t/#")
    gateway.reload()
    client.subscribe("t/a")  # the rules in between have ended it


def no_start(bench_):
    """Without rules that can be read there is no gateway: its file is missing, a folder, or there are too few
    descriptors. (With fewer than 6, libuv ends it without a word.)"""
    for row in ("missing", "a folder", *range(6, 21)):
        no_leaks = {"ASAN_OPTIONS": "detect_leaks=0"}  # looking for them takes descriptors too
        with bench_.another(bench.plain_config("t/#"), no_leaks, start=False) as gateway:
            if row == "a folder":
                os.mkdir(os.path.join(gateway.folder, "serverless.yml"))
            elif row != "missing":
                gateway.write_config()
            few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (row, row))}
            gateway.spawn(**(few if isinstance(row, int) else {}))
            wait_until(lambda: b"sluice is ready" in gateway.log() or gateway.process.poll() is not None,
                       "its end or its start")
            if gateway.process.poll() is None:
                assert isinstance(row, int), f"the gateway runs without rules: {row}"
                gateway.stop()
            else:
                assert gateway.process.returncode in (1, 2) and gateway.log(), \
                    f"{row}: status {gateway.process.returncode}, {gateway.log()}"
                assert b"Sanitizer" not in gateway.log() and b"runtime error" not in gateway.log(), gateway.log()
