"""Checks how the workspaces' keys are fetched and kept."""

from __future__ import annotations

import asyncio
import json
import pathlib
import sys
import unittest

SDK = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SDK / "python" / "src"))

from emcy_worker._keys import AGAIN, BACK_OFF, FRESH, STALE, KeySets, KeysUnavailable, fetch_keys  # noqa: E402


class Clock:
    def __init__(self):
        self.time = 1_000_000.0

    def __call__(self):
        return self.time


class Issuer:
    """A key set that changes and fails as the test says."""

    def __init__(self, *kids):
        self.kids, self.fetches, self.down = list(kids), 0, False

    async def __call__(self, issuer):
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise OSError("connection refused")
        return {"keys": [{"kid": kid} for kid in self.kids]}


class Keys(unittest.IsolatedAsyncioTestCase):
    async def test_one_fetch_serves_many_at_once_and_for_a_while(self):
        clock, issuer = Clock(), Issuer("a")
        keys = KeySets(clock, issuer)
        found = await asyncio.gather(*(keys.get("https://i", "a") for _ in range(20)))
        clock.time += FRESH - 1
        await keys.get("https://i", "a")
        self.assertEqual((found[0], issuer.fetches), ({"kid": "a"}, 1))
        clock.time += 1
        await keys.get("https://i", "a")
        self.assertEqual(issuer.fetches, 2)

    async def test_an_unknown_key_is_looked_for_but_not_each_time(self):
        clock, issuer = Clock(), Issuer("a")
        keys = KeySets(clock, issuer)
        await keys.get("https://i", "a")
        issuer.kids.append("b")
        self.assertIsNone(await keys.get("https://i", "b"))
        self.assertEqual(issuer.fetches, 1)
        clock.time += AGAIN
        self.assertEqual(await keys.get("https://i", "b"), {"kid": "b"})
        for _ in range(5):
            self.assertIsNone(await keys.get("https://i", "c"))
        self.assertEqual(issuer.fetches, 2)

    async def test_a_key_that_was_taken_away_is_gone(self):
        clock, issuer = Clock(), Issuer("a", "b")
        keys = KeySets(clock, issuer)
        await keys.get("https://i", "a")
        issuer.kids.remove("a")
        clock.time += FRESH
        self.assertIsNone(await keys.get("https://i", "a"))

    async def test_an_outage_is_bridged_for_an_hour(self):
        clock, issuer = Clock(), Issuer("a")
        keys = KeySets(clock, issuer)
        await keys.get("https://i", "a")
        issuer.down = True
        clock.time += STALE - 1
        self.assertEqual(await keys.get("https://i", "a"), {"kid": "a"})
        clock.time += BACK_OFF
        with self.assertRaises(KeysUnavailable):
            await keys.get("https://i", "a")
        issuer.down = False
        clock.time += BACK_OFF
        self.assertEqual(await keys.get("https://i", "a"), {"kid": "a"})

    async def test_a_failed_fetch_is_not_tried_with_every_request(self):
        clock, issuer = Clock(), Issuer("a")
        keys = KeySets(clock, issuer)
        issuer.down = True
        for _ in range(5):
            with self.assertRaises(KeysUnavailable):
                await keys.get("https://i", "a")
        self.assertEqual(issuer.fetches, 1)


class Fetch(unittest.IsolatedAsyncioTestCase):
    async def serve(self, answer):
        asked = []

        async def handle(reader, writer):
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.addAsyncCleanup(server.wait_closed)
        self.addCleanup(server.close)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked

    async def test_the_keys_are_under_the_issuer(self):
        body = json.dumps({"keys": []}).encode()
        issuer, asked = await self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(await fetch_keys(issuer), {"keys": []})
        self.assertEqual(asked, [b"GET /jwks HTTP/1.1"])

    async def test_no_redirect_is_followed(self):
        issuer, asked = await self.serve(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        with self.assertRaises(OSError):
            await fetch_keys(issuer)
        self.assertEqual(len(asked), 1)

    async def test_what_is_too_large_or_no_json_is_no_key_set(self):
        for body in (b"<html>", b" " * (300 << 10) + b'{"keys": []}'):
            issuer, _ = await self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            with self.assertRaises(ValueError):
                await fetch_keys(issuer)


if __name__ == "__main__":
    unittest.main()
