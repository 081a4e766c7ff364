"""Signs the assertions of vectors.json anew, with keys that are then forgotten.

    .cache/venv/bin/python sdk/make_assertions.py

Needed only when a case below changes: it replaces "keys" and "assertions", the last
two members of vectors.json, and leaves the vectors before them as they are.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_790_000_000
ISSUER = "http://localhost:8081"
AUDIENCE = "http://127.0.0.1:9001/mcp"

EC, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
SMALL, STRANGER = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())  # noqa: S505


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def ec_jwk(key, **more):
    n = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big")), **more}


def rsa_jwk(key, **more):
    n = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(n.n), "e": number(n.e), **more}


def sign(alg: str, key, data: bytes) -> bytes:
    if alg == "none":
        return b""
    if alg == "HS256":
        return hmac.new(key, data, hashlib.sha256).digest()
    if alg == "PS256":
        return key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    if alg == "RS256":
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def assertion(alg="ES256", key=EC, kid="ec-1", header=None, **claims) -> str:
    full = {"typ": "JWT", "alg": alg, "kid": kid, **(header or {})}
    body = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "acc_01", "client_id": "https://client.example/a%b", "scope": "mcp todos",
        "iat": NOW - 5, "exp": NOW + 55, "jti": "as_01", **claims,
    }
    parts = [{k: v for k, v in part.items() if v is not None} for part in (full, body)]
    data = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return data + "." + b64(sign(alg, key, data.encode()))


def tampered(text: str) -> str:
    header, _, signature = text.split(".")
    return ".".join([header, assertion(sub="acc_02").split(".")[1], signature])


PEM = EC.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
RS = {"alg": "RS256", "key": RSA, "kid": "rsa-1"}

assertions = {
    "es256": assertion(),
    "rs256": assertion(**RS),
    "with a tenant": assertion(tenant="acme"),
    "audience in a list": assertion(aud=["https://other.example/mcp", AUDIENCE]),
    "no scope": assertion(scope=None),
    "of another issuer": assertion(iss="http://localhost:8082"),
    "of an issuer with a slash": assertion(iss=ISSUER + "/"),
    "for another runtime": assertion(aud="http://127.0.0.1:9002/mcp"),
    "for a path below": assertion(aud=AUDIENCE + "/x"),
    "for nobody": assertion(aud=None),
    "expired within the skew": assertion(iat=NOW - 80, exp=NOW - 20),
    "expired": assertion(iat=NOW - 95, exp=NOW - 31),
    "without an end": assertion(exp=None),
    "with an end that is a text": assertion(exp=str(NOW + 55)),
    "too long": assertion(exp=NOW + 3600),
    "from the future": assertion(iat=NOW + 31, exp=NOW + 61),
    "not yet valid": assertion(nbf=NOW + 31),
    "about nobody": assertion(sub=None),
    "about an empty subject": assertion(sub=""),
    "alg none": assertion("none", None),
    "alg HS256 with the public key": assertion("HS256", PEM),
    "alg PS256": assertion("PS256", RSA, "rsa-1"),
    "ES256 with the RSA key's id": assertion(kid="rsa-1"),
    "unknown key": assertion(kid="ec-9"),
    "no key id": assertion(kid=None),
    "by a stranger": assertion(key=STRANGER),
    "key that encrypts": assertion(kid="ec-enc"),
    "key too small": assertion("RS256", SMALL, "rsa-small"),
    "key in the header": assertion(key=STRANGER, header={"jwk": ec_jwk(STRANGER)}),
    "tampered": tampered(assertion()),
    "critical extension": assertion(header={"crit": ["exp"], "exp": 1}),
    "an access token": assertion(header={"typ": "at+jwt"}),
    "no typ": assertion(header={"typ": None}),
}
keys = {
    "keys": [
        ec_jwk(EC, kid="ec-1", use="sig", alg="ES256"),
        rsa_jwk(RSA, kid="rsa-1", use="sig", alg="RS256"),
        ec_jwk(EC, kid="ec-enc", use="enc"),
        rsa_jwk(SMALL, kid="rsa-small", use="sig"),
    ]
}

path = pathlib.Path(__file__).with_name("vectors.json")
before = re.split(r'^  "keys": ', path.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
dump = lambda value: json.dumps(value, indent=2).replace("\n", "\n  ")  # noqa: E731
path.write_text(f'{before}  "keys": {dump(keys)},\n  "assertions": {dump(assertions)}\n}}\n', encoding="utf-8")
