"""Checks that a refused token of the user's becomes a 401 where that is still possible."""

from __future__ import annotations

import asyncio
import pathlib
import sys
import unittest

SDK = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SDK / "python" / "src"))

from emcy_worker import UpstreamTokenRefused, WorkerContract, refuse_upstream_token  # noqa: E402

ENV = {"EMCY_WORKER_SHARED_SECRET": "a"}
START = {"type": "http.response.start", "status": 200, "headers": []}


def body(text, more=True):
    return {"type": "http.response.body", "body": text, "more_body": more}


def scope(method="POST", token=b"downstream-1"):
    headers = [(b"x-emcy-worker-secret", b"a")] + ([(b"x-emcy-upstream-access-token", token)] if token else [])
    return {"type": "http", "method": method, "headers": headers}


async def run(app, scope, **options):
    sent = []

    async def send(message):
        sent.append(message)

    await WorkerContract(app, env=ENV, **options)(scope, None, send)
    return sent


class Refusal(unittest.IsolatedAsyncioTestCase):
    async def test_before_the_first_byte_it_is_a_401(self):
        async def app(scope, receive, send):
            await send(START)  # as a server that streams does, before the tool runs
            await send(body(b""))
            with self.assertRaises(UpstreamTokenRefused):
                refuse_upstream_token(scope)
            await send(body(b"data: a tool error\n\n"))
            await send(body(b"", more=False))

        sent = await run(app, scope())
        self.assertEqual(sent[0]["status"], 401)
        self.assertIn((b"www-authenticate", b'Bearer error="invalid_token"'), sent[0]["headers"])
        self.assertEqual(sent[1:], [{"type": "http.response.body", "body": b'{"error": "upstream_token_refused"}'}])

    async def test_after_the_first_byte_the_answer_goes_on(self):
        async def app(scope, receive, send):
            await send(START)
            await send(body(b"data: progress\n\n"))
            with self.assertRaises(UpstreamTokenRefused):
                refuse_upstream_token(scope)
            await send(body(b"data: a tool error\n\n", more=False))

        sent = await run(app, scope())
        self.assertEqual([sent[0], len(sent)], [START, 3])

    async def test_the_start_waits_no_longer_than_it_may(self):
        began = asyncio.Event()

        async def app(scope, receive, send):
            await send(START)
            await asyncio.wait_for(began.wait(), 10)
            await send(body(b"late", more=False))

        async def send(message):
            sent.append(message)
            began.set()

        sent = []
        await WorkerContract(app, env=ENV, hold_start=0.01)(scope(), None, send)
        self.assertEqual(sent, [START, body(b"late", more=False)])

    async def test_nothing_waits_without_a_token_or_on_a_get_or_where_it_is_off(self):
        for asked, options in ((scope(token=None), {}), (scope("GET"), {}), (scope(), {"hold_start": 0})):
            sent = []

            async def app(scope, receive, send, sent=sent):
                await send(START)
                self.assertEqual(sent, [START])

            async def send(message, sent=sent):
                sent.append(message)

            await WorkerContract(app, env=ENV, **options)(asked, None, send)

    async def test_a_refusal_of_one_request_is_not_anothers(self):
        async def refuses(scope, receive, send):
            with self.assertRaises(UpstreamTokenRefused):
                refuse_upstream_token(scope)

        async def answers(scope, receive, send):
            await send(START)
            await send(body(b"x", more=False))

        await run(refuses, scope())
        self.assertEqual(await run(answers, scope()), [START, body(b"x", more=False)])

    async def test_an_application_that_breaks_sends_nothing(self):
        async def app(scope, receive, send):
            await send(START)
            raise RuntimeError("broken")

        sent = []

        async def send(message):
            sent.append(message)

        with self.assertRaises(RuntimeError):
            await WorkerContract(app, env=ENV)(scope(), None, send)
        self.assertEqual(sent, [])


if __name__ == "__main__":
    unittest.main()
