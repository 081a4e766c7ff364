"""The worker contract of Emcy Gateway, for runtimes written in Python.

``WorkerContract`` is ASGI middleware that lets in only requests that carry the
secret which this runtime shares with the gateway. ``get_caller`` says who sent
such a request. The package has no dependencies and never reads a body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Caller", "WorkerContract", "get_caller"]

SECRET_VARIABLE = "EMCY_WORKER_SHARED_SECRET"
SECRET_HEADER_VARIABLE = "EMCY_WORKER_SECRET_HEADER"
TOKEN_HEADER_VARIABLE = "EMCY_UPSTREAM_ACCESS_TOKEN_HEADER"

DEFAULT_SECRET_HEADER = "X-Emcy-Worker-Secret"
DEFAULT_TOKEN_HEADER = "X-Emcy-Upstream-Access-Token"

_SCOPE_KEY = "emcy.caller"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Caller:
    """Who is asking, as the gateway vouches for it. What it did not send is None."""

    #: The signed-in user, stable within the workspace.
    subject: str | None = None
    #: The workspace through which the request came.
    tenant: str | None = None
    #: The MCP client that the user allowed.
    client: str | None = None
    #: The name of this request in the gateway's log.
    request_id: str | None = None
    #: A JWT about all of this, signed with the workspace's key.
    assertion: str | None = field(default=None, repr=False)
    #: The user's own token for the API behind this runtime.
    upstream_access_token: str | None = field(default=None, repr=False)


class WorkerContract:
    """ASGI middleware that answers nobody but the gateway.

    A request without a valid secret gets 401, and 500 when the runtime has no
    secret to compare with: a runtime that is not set up must not be open. The
    secret is taken out of the headers before the application sees them.
    """

    def __init__(self, app: ASGIApp, *, env: Mapping[str, str] | None = None) -> None:
        env = os.environ if env is None else env
        self.app = app
        self._secrets = _digests(env.get(SECRET_VARIABLE, ""))
        self._secret_header = _header(env.get(SECRET_HEADER_VARIABLE) or DEFAULT_SECRET_HEADER)
        self._token_header = _header(env.get(TOKEN_HEADER_VARIABLE) or DEFAULT_TOKEN_HEADER)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        if not self._secrets:
            await _refuse(scope, receive, send, 500, "worker_secret_not_set")
            return
        if not self._valid(value for name, value in headers if name.lower() == self._secret_header):
            await _refuse(scope, receive, send, 401, "unauthorized")
            return

        inner = dict(scope)
        inner["headers"] = [(name, value) for name, value in headers if name.lower() != self._secret_header]
        inner[_SCOPE_KEY] = self._caller(headers)
        await self.app(inner, receive, send)

    def _valid(self, presented: Iterable[bytes]) -> bool:
        values = list(presented)
        if len(values) != 1:
            return False
        digest = hashlib.sha256(values[0]).digest()
        # Every secret is compared, and by digest, so that neither the number of
        # the one that matched nor its length can be told from the time it takes.
        valid = False
        for secret in self._secrets:
            valid |= hmac.compare_digest(digest, secret)
        return valid

    def _caller(self, headers: list[tuple[bytes, bytes]]) -> Caller:
        values = {name.lower(): value.decode("latin-1") for name, value in headers}

        def value(name: bytes) -> str | None:
            return values.get(name) or None

        return Caller(
            subject=value(b"x-emcy-subject"),
            tenant=value(b"x-emcy-tenant"),
            client=value(b"x-emcy-client"),
            request_id=value(b"x-emcy-request-id"),
            assertion=value(b"x-emcy-assertion"),
            upstream_access_token=value(self._token_header),
        )


def get_caller(request: Any) -> Caller:
    """Returns who sent this request.

    The request is Starlette's (FastMCP: ``get_http_request()``, the MCP SDK:
    ``ctx.request_context.request``) or an ASGI scope. It is an error to ask for
    the caller of a request that ``WorkerContract`` did not check.
    """
    scope = request if isinstance(request, Mapping) and "type" in request else request.scope
    caller = scope.get(_SCOPE_KEY)
    if caller is None:
        raise LookupError("this request did not pass WorkerContract: add it to the server's middleware")
    return caller


def _digests(variable: str) -> list[bytes]:
    secrets = (secret.strip() for secret in variable.split(","))
    return [hashlib.sha256(secret.encode("utf-8")).digest() for secret in secrets if secret]


def _header(name: str) -> bytes:
    return name.strip().lower().encode("latin-1")


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, error: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": error}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
