"""Certificates and revocation lists in DER that no tool would make, signed by a `sluice pki` authority.

Only what the access section needs: P-256 keys, ECDSA with SHA-256; `openssl` makes the keys and signs.
"""

import base64
import datetime
import os
import subprocess

UTF8, PRINTABLE, TELETEX, IA5, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1E
COMMON_NAME, ORGANIZATION = (2, 5, 4, 3), (2, 5, 4, 10)
CLIENT_AUTH, SERVER_AUTH = (1, 3, 6, 1, 5, 5, 7, 3, 2), (1, 3, 6, 1, 5, 5, 7, 3, 1)
ECDSA_SHA256 = (1, 2, 840, 10045, 4, 3, 2)


def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(number):
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(numbers):
    out = bytearray([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(number & 0x7F | 0x80)
        out += bytes(reversed(digits))
    return tlv(0x06, bytes(out))


def attribute(value, kind=COMMON_NAME, tag=UTF8):
    return sequence(oid(kind), tlv(tag, value))


def name(*rdns):
    """Each relative distinguished name is a list of attributes."""
    return sequence(*(tlv(0x31, *rdn) for rdn in rdns))


def common_name(value, tag=UTF8):
    return name([attribute(value, tag=tag)])


def day(offset):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)
    return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())


def extension(numbers, critical, value):
    return sequence(oid(numbers), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def alternative_names(*names):
    """The extension Subject Alternative Name; each name is (tag, value)."""
    return extension((2, 5, 29, 17), False, sequence(*(tlv(tag, value) for tag, value in names)))


def children(data):
    """The elements of a constructed one, each with its header."""
    def header(at):
        size, first = data[at + 1], at + 2
        if size >= 0x80:
            first, size = first + (size & 0x7F), int.from_bytes(data[first:first + (size & 0x7F)], "big")
        return first, size
    at, first = header(0)[0], []
    end = sum(header(0))
    while at < end:
        content, size = header(at)
        first.append(data[at:content + size])
        at = content + size
    return first


def pem(kind, data):
    lines = base64.encodebytes(data).decode()
    return f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"


class Authority:
    """Signs with the key of a folder made by `sluice pki init`, and writes into that folder."""

    def __init__(self, folder):
        self.folder, self.serial = folder, 1 << 100
        certificate = self._openssl("x509", "-in", self.path("ca.crt"), "-outform", "DER")
        self.subject = children(children(certificate)[0])[5]

    def path(self, file):
        return os.path.join(self.folder, file)

    def _openssl(self, *arguments, data=None):
        return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout

    def _signed(self, body):
        algorithm = sequence(oid(ECDSA_SHA256))
        signature = self._openssl("dgst", "-sha256", "-sign", self.path("ca.key"), data=body)
        return sequence(body, algorithm, tlv(0x03, b"\0" + signature))

    def certificate(self, file, subject, begin=-1, end=100, usage=CLIENT_AUTH, extensions=()):
        """Writes FILE.crt, and FILE.key where there is none; returns the serial number."""
        if not os.path.exists(self.path(file + ".key")):
            self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                          self.path(file + ".key"))
        public = self._openssl("pkey", "-in", self.path(file + ".key"), "-pubout", "-outform", "DER")
        self.serial += 1
        purposes = extension((2, 5, 29, 37), False, sequence(oid(usage)))
        body = sequence(tlv(0xA0, integer(2)), integer(self.serial), sequence(oid(ECDSA_SHA256)), self.subject,
                        sequence(day(begin), day(end)), subject, public, tlv(0xA3, sequence(purposes, *extensions)))
        with open(self.path(file + ".crt"), "w", encoding="ascii") as out:
            out.write(pem("CERTIFICATE", self._signed(body)))
        return self.serial

    def crl(self, *serials, begin=-1, end=100):
        """A revocation list, as PEM."""
        revoked = sequence(*(sequence(integer(serial), day(-1)) for serial in serials)) if serials else b""
        body = sequence(integer(1), sequence(oid(ECDSA_SHA256)), self.subject, day(begin), day(end), revoked)
        return pem("X509 CRL", self._signed(body))
