"""The key sets of the workspaces, fetched when they are needed and kept for a while."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

FRESH = 300.0  # seconds for which a key set is taken as it is
STALE = 3600.0  # seconds for which it still serves where it cannot be fetched
AGAIN = 10.0  # seconds between two fetches because of a key that is not in it
BACK_OFF = 1.0  # seconds before a fetch that failed is tried again
TIMEOUT = 5.0
LIMIT = 256 << 10

Fetch = Callable[[str], Awaitable[dict[str, Any]]]


class KeysUnavailable(Exception):
    """The issuer's keys are not known and cannot be fetched."""


@dataclass
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    keys: list[dict[str, Any]] | None = None
    fetched: float = 0.0
    failed: float | None = None


class KeySets:
    def __init__(self, now: Callable[[], float], fetch: Fetch | None = None) -> None:
        self._now = now
        self._fetch = fetch or fetch_keys
        self._entries: dict[str, _Entry] = {}

    async def get(self, issuer: str, kid: str) -> dict[str, Any] | None:
        """Returns the issuer's key of that id, or None where it has none."""
        entry = self._entries.setdefault(issuer, _Entry())
        async with entry.lock:
            age = self._now() - entry.fetched
            key = _find(entry.keys, kid)
            if entry.keys is not None and 0 <= age < (FRESH if key else AGAIN):
                return key
            if entry.failed is None or not 0 <= self._now() - entry.failed < BACK_OFF:
                await self._refresh(issuer, entry)
            if entry.keys is None or (entry.failed is not None and not 0 <= age < STALE):
                raise KeysUnavailable(issuer)
            return _find(entry.keys, kid)

    async def _refresh(self, issuer: str, entry: _Entry) -> None:
        try:
            document = await self._fetch(issuer)
            entry.keys = [key for key in document["keys"] if isinstance(key, dict)]
        except (OSError, ValueError, KeyError, TypeError):
            entry.failed = self._now()
            return
        entry.fetched, entry.failed = self._now(), None


async def fetch_keys(issuer: str) -> dict[str, Any]:
    return await asyncio.to_thread(_get, issuer.rstrip("/") + "/jwks")


def _find(keys: list[dict[str, Any]] | None, kid: str) -> dict[str, Any] | None:
    return next((key for key in keys or [] if key.get("kid") == kid), None)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _get(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(urllib.request.Request(url, headers={"Accept": "application/json"}), timeout=TIMEOUT) as answer:
        body = answer.read(LIMIT + 1)
    if len(body) > LIMIT:
        raise ValueError("the key set is too large")
    return json.loads(body)
