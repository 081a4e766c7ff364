"""Checks the gateway's signed statement of who asks (RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError:  # the shared secret needs none of it
    ec = None  # type: ignore[assignment]

from ._keys import KeySets
from ._settings import Settings

LIFE = 60  # seconds: the gateway signs for no longer
SKEW = 30  # seconds by which two clocks may differ
LIMIT = 16 << 10

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+\Z")


class InvalidAssertion(Exception):
    """It is not the gateway's, not for this runtime, or its time is over."""


def require_cryptography() -> None:
    if ec is None:
        raise RuntimeError("checking assertions needs the package cryptography: pip install 'emcy-worker[assertion]'")


async def verify(token: str, settings: Settings, keys: KeySets, now: float) -> dict[str, Any]:
    """Returns the claims of a valid assertion."""
    parts = token.split(".")
    if len(token) > LIMIT or len(parts) != 3:
        raise InvalidAssertion("not a JWT")
    header, claims, signature = _object(parts[0]), _object(parts[1]), _decode(parts[2])

    alg, kid, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if header.get("typ") != "JWT" or alg not in ("ES256", "RS256") or "crit" in header or not _text(kid):
        raise InvalidAssertion("header")
    if issuer not in settings.issuers:
        raise InvalidAssertion("issuer")
    _check(claims, settings, now)

    key = await keys.get(issuer, kid)
    if key is None or not _signed(alg, key, f"{parts[0]}.{parts[1]}".encode("ascii"), signature):
        raise InvalidAssertion("signature")
    return claims


def _check(claims: dict[str, Any], settings: Settings, now: float) -> None:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(name in settings.audiences for name in named):
        raise InvalidAssertion("audience")
    expires = claims.get("exp")
    if not _number(expires) or not now - SKEW < expires <= now + LIFE + SKEW:
        raise InvalidAssertion("expiry")
    for claim in ("iat", "nbf"):
        if claim in claims and not (_number(claims[claim]) and claims[claim] <= now + SKEW):
            raise InvalidAssertion(claim)
    if not _text(claims.get("sub")):
        raise InvalidAssertion("subject")


def _signed(alg: str, key: dict[str, Any], data: bytes, signature: bytes) -> bool:
    if key.get("use", "sig") != "sig" or key.get("alg", alg) != alg:
        return False
    try:
        if alg == "ES256":
            if (key.get("kty"), key.get("crv")) != ("EC", "P-256") or len(signature) != 64:
                return False
            point = ec.EllipticCurvePublicNumbers(_integer(key["x"]), _integer(key["y"]), ec.SECP256R1())
            pair = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            point.public_key().verify(pair, data, ec.ECDSA(SHA256()))
            return True
        if key.get("kty") != "RSA" or _integer(key["n"]).bit_length() < 2048:
            return False
        numbers = rsa.RSAPublicNumbers(_integer(key["e"]), _integer(key["n"]))
        numbers.public_key().verify(signature, data, padding.PKCS1v15(), SHA256())
        return True
    except (InvalidSignature, InvalidAssertion, KeyError, ValueError):
        return False


def _object(segment: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(segment))
    except (ValueError, RecursionError) as error:
        raise InvalidAssertion("not JSON") from error
    if not isinstance(value, dict):
        raise InvalidAssertion("not an object")
    return value


def _decode(segment: Any) -> bytes:
    if not isinstance(segment, str) or not _SEGMENT.match(segment):
        raise InvalidAssertion("not base64url")
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise InvalidAssertion("not base64url") from error


def _integer(value: Any) -> int:
    return int.from_bytes(_decode(value), "big")


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
