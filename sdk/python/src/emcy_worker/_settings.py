"""What the environment says about the contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

SECRET_VARIABLE = "EMCY_WORKER_SHARED_SECRET"
ISSUER_VARIABLE = "EMCY_WORKER_ISSUER"
AUDIENCE_VARIABLE = "EMCY_WORKER_AUDIENCE"

#: What a header carries, the variable that renames it, and its default name.
HEADERS = {
    "secret": ("EMCY_WORKER_SECRET_HEADER", "X-Emcy-Worker-Secret"),
    "subject": ("EMCY_WORKER_SUBJECT_HEADER", "X-Emcy-Subject"),
    "tenant": ("EMCY_WORKER_TENANT_HEADER", "X-Emcy-Tenant"),
    "client": ("EMCY_WORKER_CLIENT_HEADER", "X-Emcy-Client"),
    "request_id": ("EMCY_WORKER_REQUEST_ID_HEADER", "X-Emcy-Request-Id"),
    "assertion": ("EMCY_WORKER_ASSERTION_HEADER", "X-Emcy-Assertion"),
    "upstream_access_token": ("EMCY_UPSTREAM_ACCESS_TOKEN_HEADER", "X-Emcy-Upstream-Access-Token"),
}

PREFIX = b"x-emcy-"
AUTHORIZATION = b"authorization"


@dataclass(frozen=True)
class Settings:
    #: SHA-256 digests of the secrets that are valid.
    secrets: tuple[bytes, ...]
    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    #: Lower-case header names by what they carry.
    headers: dict[str, bytes]
    #: Why nobody is let in, "" where somebody may be.
    problem: str

    @property
    def bearer(self) -> bool:
        return self.headers["upstream_access_token"] == AUTHORIZATION

    def stripped(self, name: bytes) -> bool:
        """Whether a header, in lower case, is the contract's and none of the application's."""
        return name.startswith(PREFIX) or (name in self.headers.values() and name != AUTHORIZATION)


def read_settings(env: Mapping[str, str]) -> Settings:
    secrets = tuple(hashlib.sha256(secret.encode("utf-8")).digest() for secret in _list(env, SECRET_VARIABLE))
    issuers, audiences = _list(env, ISSUER_VARIABLE), _list(env, AUDIENCE_VARIABLE)
    problem = ""
    if bool(issuers) != bool(audiences) or not all(_safe(issuer) for issuer in issuers):
        problem = "worker_assertion_not_set"
    elif not secrets and not issuers:
        problem = "worker_secret_not_set"
    headers = {what: (env.get(variable, "").strip() or name).lower().encode("latin-1") for what, (variable, name) in HEADERS.items()}
    return Settings(secrets, issuers, audiences, headers, problem)


def _list(env: Mapping[str, str], variable: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in env.get(variable, "").split(",") if item.strip())


def _safe(issuer: str) -> bool:
    """Keys that come over the open network in the clear could be anybody's."""
    url = urlsplit(issuer)
    return url.scheme == "https" or (url.scheme == "http" and url.hostname in ("localhost", "127.0.0.1", "::1"))
