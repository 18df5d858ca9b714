"""make_token.py ALGORITHM KEYFILE PAYLOAD: prints a JSON Web Token, signed by openssl or, for HS256, by Python."""
import base64
import hashlib
import hmac
import subprocess
import sys


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def numbers_of_der(der):
    """The two numbers of an ECDSA signature, 32 bytes each, as a token has them."""
    numbers, at = b"", 2
    for _ in range(2):
        length = der[at + 1]
        numbers += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return numbers


def sign(algorithm, key_file, text):
    if algorithm == "none":
        return b""
    if algorithm == "HS256":
        with open(key_file, "rb") as file:
            return hmac.new(file.read().removesuffix(b"\n"), text, hashlib.sha256).digest()
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key_file], input=text, check=True,
                               capture_output=True).stdout
    return numbers_of_der(signature) if algorithm == "ES256" else signature


algorithm, key_file, payload = sys.argv[1:4]
text = encode(b'{"typ":"JWT","alg":"%s"}' % algorithm.encode()) + b"." + encode(payload.encode())
print((text + b"." + encode(sign(algorithm, key_file, text))).decode())
