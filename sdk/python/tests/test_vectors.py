"""Runs the shared vectors against the middleware, over real HTTP."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import pathlib
import sys
import unittest

SDK = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SDK / "python" / "src"))

from emcy_worker import Caller, WorkerContract, get_caller  # noqa: E402

SHARED = json.loads((SDK / "vectors.json").read_text(encoding="utf-8"))


async def application(scope, receive, send):
    """Answers with the caller and the names of the headers that it was given."""
    body = json.dumps(
        {
            "caller": dataclasses.asdict(get_caller(scope)),
            "headers": [name.decode("latin-1").lower() for name, _ in scope["headers"]],
        }
    ).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def serve(app, reader, writer):
    """As much of an ASGI server as one GET needs, so that the vectors need no package."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = []
    for line in head[1:]:
        if line:
            name, value = line.split(":", 1)
            headers.append((name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")))
    start = {"status": 0}
    body = b""

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        nonlocal start, body
        if message["type"] == "http.response.start":
            start = message
        else:
            body += message.get("body", b"")

    await app({"type": "http", "method": "GET", "path": "/mcp", "headers": headers}, receive, send)
    lines = [f"HTTP/1.1 {start['status']} answer"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in start["headers"] if name.lower() != b"content-length"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    writer.close()


def request(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", "/mcp")
    for name, value in headers:
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders()
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer, body


def value_of(text):
    for name, token in SHARED["assertions"].items():
        text = text.replace("{" + name + "}", token)
    return text


class Vectors(unittest.IsolatedAsyncioTestCase):
    async def test_vectors(self):
        for vector in SHARED["vectors"]:
            with self.subTest(vector["name"]):

                async def keys(issuer, vector=vector):
                    if vector.get("unreachable"):
                        raise OSError("there is no key set")
                    return SHARED["keys"]

                app = WorkerContract(application, env=vector["env"], keys=keys, now=lambda: SHARED["now"])
                server = await asyncio.start_server(lambda r, w, app=app: serve(app, r, w), "127.0.0.1", 0)
                headers = [(name, value_of(value)) for name, value in vector["headers"]]
                async with server:
                    answer, body = await asyncio.to_thread(request, server.sockets[0].getsockname()[1], headers)
                self.assertEqual(answer.status, vector["status"])
                self.assertEqual(answer.headers.get("WWW-Authenticate"), vector.get("challenge"))
                if "body" in vector:
                    self.assertEqual(body, vector["body"])
                    continue
                seen = set(body["headers"])
                self.assertFalse([name for name in seen if name.startswith("x-emcy-")], "the application sees the contract")
                self.assertFalse(seen & {name.lower() for name in vector.get("gone", [])})
                self.assertLessEqual({name.lower() for name in vector.get("kept", [])}, seen)
                for member, wanted in vector.get("caller", {}).items():
                    wanted = value_of(wanted) if isinstance(wanted, str) else wanted
                    self.assertEqual(body["caller"][member], wanted, member)


class Middleware(unittest.IsolatedAsyncioTestCase):
    async def test_lifespan_passes(self):
        seen = []

        async def app(scope, receive, send):
            seen.append(scope["type"])

        await WorkerContract(app, env={})({"type": "lifespan"}, None, None)
        self.assertEqual(seen, ["lifespan"])

    async def test_websocket_without_secret_is_closed(self):
        async def app(scope, receive, send):
            self.fail("the application was reached")

        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        guard = WorkerContract(app, env={"EMCY_WORKER_SHARED_SECRET": "a"})
        await guard({"type": "websocket", "headers": []}, receive, send)
        self.assertEqual(sent, [{"type": "websocket.close", "code": 1008}])

    async def test_messages_pass_as_they_are(self):
        order = []

        async def app(scope, receive, send):
            for chunk in (b"a", b"b"):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                order.append("app sent " + chunk.decode())

        async def send(message):
            order.append("server got " + message["body"].decode())

        guard = WorkerContract(app, env={"EMCY_WORKER_SHARED_SECRET": "a"})
        await guard({"type": "http", "headers": [(b"x-emcy-worker-secret", b"a")]}, None, send)
        self.assertEqual(order, ["server got a", "app sent a", "server got b", "app sent b"])

    def test_an_unchecked_request_has_no_caller(self):
        with self.assertRaises(LookupError):
            get_caller({"type": "http", "headers": []})

    def test_what_is_secret_is_not_in_the_text_of_a_caller(self):
        text = repr(Caller(subject="acc_01", upstream_access_token="downstream-1", assertion="aaa.bbb.ccc"))
        self.assertIn("acc_01", text)
        self.assertNotIn("downstream-1", text)
        self.assertNotIn("aaa.bbb.ccc", text)


if __name__ == "__main__":
    unittest.main()
