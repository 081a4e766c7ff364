"""The worker contract of Emcy Gateway, for runtimes written in Python.

``WorkerContract`` is ASGI middleware that lets in only the gateway: requests
with the secret that this runtime shares with it, or with an assertion that it
signed. ``get_caller`` says who sent such a request. The package never reads a
body, and has no dependency unless assertions are checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote

from ._assertion import InvalidAssertion, require_cryptography, verify
from ._held import HeldStart
from ._keys import Fetch, KeySets, KeysUnavailable
from ._settings import Settings, read_settings

__all__ = ["Caller", "UpstreamTokenRefused", "WorkerContract", "get_caller", "refuse_upstream_token"]

_CALLER_KEY = "emcy.caller"
_STATE_KEY = "emcy.state"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Caller:
    """Who is asking, as the gateway vouches for it. What it did not say is None."""

    #: The signed-in user, stable within the workspace.
    subject: str | None = None
    #: The workspace through which the request came.
    tenant: str | None = None
    #: The MCP client that the user allowed.
    client: str | None = None
    #: The name of this request in the gateway's log. Nobody signs it.
    request_id: str | None = None
    #: What the user allowed the client; None unless an assertion was checked.
    scopes: tuple[str, ...] | None = None
    #: The workspace's origin, which signed; None unless an assertion was checked.
    issuer: str | None = None
    #: A JWT about all of this, signed with the workspace's key.
    assertion: str | None = field(default=None, repr=False)
    #: The user's own token for the API behind this runtime.
    upstream_access_token: str | None = field(default=None, repr=False)


class UpstreamTokenRefused(Exception):
    """The API behind this runtime did not accept the user's token."""


class _Refused(Exception):
    def __init__(self, status: int, error: str, challenge: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.challenge = status, error, challenge


class WorkerContract:
    """ASGI middleware that answers nobody but the gateway.

    A request without a valid secret or assertion gets 401, and 500 when the
    runtime has nothing to compare with: a runtime that is not set up must not
    be open. The contract's headers are taken out before the application sees
    the request.

    ``hold_start`` is how many seconds the status of an answer may wait for its
    first byte, on requests that carry the user's token: for that long
    ``refuse_upstream_token`` can still make it a 401. 0 never waits.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        env: Mapping[str, str] | None = None,
        hold_start: float = 2.0,
        keys: Fetch | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.app = app
        self._settings = read_settings(os.environ if env is None else env)
        if self._settings.issuers and not self._settings.problem:
            require_cryptography()
        self._hold = hold_start
        self._now = now
        self._keys = KeySets(now, keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]
        try:
            caller = await self._admit(headers)
        except _Refused as refused:
            await _refuse(scope, receive, send, refused)
            return

        state = {"refused": False}
        inner = dict(scope)
        inner["headers"] = [(name, value) for name, value in scope["headers"] if not self._settings.stripped(name.lower())]
        inner[_CALLER_KEY], inner[_STATE_KEY] = caller, state
        if scope.get("method") != "POST" or self._hold <= 0 or caller.upstream_access_token is None:
            await self.app(inner, receive, send)
            return
        refusal = _Refused(401, "upstream_token_refused", 'Bearer error="invalid_token"')
        held = HeldStart(send, self._hold, lambda: state["refused"], lambda: _refuse(scope, receive, send, refusal))
        try:
            await self.app(inner, receive, held)
        finally:
            held.close()

    async def _admit(self, headers: list[tuple[bytes, bytes]]) -> Caller:
        s = self._settings
        if s.problem:
            raise _Refused(500, s.problem)
        sent = {what: [value for each, value in headers if each == name] for what, name in s.headers.items()}
        proven = bool(s.secrets) and (bool(sent["secret"]) or not (s.issuers and sent["assertion"]))
        if proven and not _valid(s, sent["secret"]):
            raise _Refused(401, "unauthorized", 'EmcyWorker error="invalid_secret"')
        claims = None
        if s.issuers and (sent["assertion"] or not proven):
            claims = await self._claims(sent["assertion"])
        if any(len(values) > 1 for values in sent.values()):
            raise _Refused(400, "repeated_header")
        value = {what: (values[0].decode("latin-1") or None) if values else None for what, values in sent.items()}
        token = value["upstream_access_token"]
        if s.bearer:
            scheme, _, rest = (token or "").partition(" ")
            token = (rest.strip() or None) if scheme.lower() == "bearer" else None
        if claims is None:
            return Caller(
                subject=_unescaped(value["subject"]),
                tenant=_unescaped(value["tenant"]),
                client=_unescaped(value["client"]),
                request_id=value["request_id"],
                assertion=value["assertion"],
                upstream_access_token=token,
            )
        return Caller(
            subject=claims["sub"],
            # The header is vouched for by the secret alone.
            tenant=_text(claims.get("tenant")) or (_unescaped(value["tenant"]) if proven else None),
            client=_text(claims.get("client_id")),
            request_id=value["request_id"],
            scopes=tuple((_text(claims.get("scope")) or "").split()),
            issuer=claims["iss"],
            assertion=value["assertion"],
            upstream_access_token=token,
        )

    async def _claims(self, presented: list[bytes]) -> dict[str, Any]:
        try:
            if len(presented) != 1:
                raise InvalidAssertion("none, or several")
            return await verify(presented[0].decode("latin-1"), self._settings, self._keys, self._now())
        except InvalidAssertion:
            raise _Refused(401, "unauthorized", 'EmcyWorker error="invalid_assertion"') from None
        except KeysUnavailable:
            raise _Refused(503, "worker_keys_unavailable") from None


def get_caller(request: Any) -> Caller:
    """Returns who sent this request.

    The request is Starlette's (FastMCP: ``get_http_request()``, the MCP SDK:
    ``ctx.request_context.request``) or an ASGI scope. It is an error to ask for
    the caller of a request that ``WorkerContract`` did not check.
    """
    return _scope_of(request)[_CALLER_KEY]


def refuse_upstream_token(request: Any) -> NoReturn:
    """Says that the API refused the user's token, and ends the tool.

    The gateway then gets 401 with ``Bearer error="invalid_token"``: it renews
    the token and tries again, or asks the user to connect again. Where the
    answer has begun already it cannot be told any more, and the client sees a
    tool error with the words of ``UpstreamTokenRefused``.
    """
    _scope_of(request)[_STATE_KEY]["refused"] = True
    raise UpstreamTokenRefused("The API did not accept your sign-in there. Try again; if it goes on, connect the account again.")


def _scope_of(request: Any) -> Any:
    scope = request if isinstance(request, Mapping) and "type" in request else request.scope
    if _CALLER_KEY not in scope:
        raise LookupError("this request did not pass WorkerContract: add it to the server's middleware")
    return scope


def _valid(settings: Settings, presented: list[bytes]) -> bool:
    if len(presented) != 1:
        return False
    digest = hashlib.sha256(presented[0]).digest()
    # Every secret is compared, and by digest, so that neither the number of
    # the one that matched nor its length can be told from the time it takes.
    valid = False
    for secret in settings.secrets:
        valid |= hmac.compare_digest(digest, secret)
    return valid


def _unescaped(value: str | None) -> str | None:
    return None if value is None else unquote(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: _Refused) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = json.dumps({"error": refused.error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refused.challenge:
        headers.append((b"www-authenticate", refused.challenge.encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
