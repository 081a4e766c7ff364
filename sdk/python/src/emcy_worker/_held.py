"""Holds back the start of an answer, so that it can still become a 401."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class HeldStart:
    """An ASGI ``send`` that keeps the status until the first byte of the body.

    A server that streams sends its 200 before the tool has run. Until the
    first byte, or until a time is over, ``refused`` can still turn the answer
    into another one; from then on everything passes as it comes.
    """

    def __init__(self, send: Send, seconds: float, refused: Callable[[], bool], refusal: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._seconds = seconds
        self._refused = refused
        self._refusal = refusal
        self._lock = asyncio.Lock()
        self._start: Message | None = None
        self._timer: asyncio.Task[None] | None = None
        self._replaced = False
        self._passing = False

    async def __call__(self, message: Message) -> None:
        async with self._lock:
            if self._replaced:
                return
            if self._passing:
                await self._send(message)
                return
            if message["type"] == "http.response.start":
                self._start = message
                self._timer = asyncio.create_task(self._later())
                return
            if message["type"] == "http.response.body" and not message.get("body") and message.get("more_body"):
                return  # no byte yet
            if self._refused():
                self._replaced = True
                await self._refusal()
                return
            await self._release()
            await self._send(message)

    def close(self) -> None:
        """Ends the wait; for when the application is done."""
        if self._timer is not None:
            self._timer.cancel()

    async def _later(self) -> None:
        await asyncio.sleep(self._seconds)
        async with self._lock:
            if not self._replaced and not self._passing and not self._refused():
                await self._release()

    async def _release(self) -> None:
        self._passing = True
        if self._start is not None:
            await self._send(self._start)
