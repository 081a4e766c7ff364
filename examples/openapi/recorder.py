"""Writes down the headers of every request as they arrive, refused ones included."""

import json


class Recorder:
    """ASGI middleware that appends one line of JSON per request to a file.

    It stands in front of the adapter and is for tests only: the file holds the
    secrets that the requests carry.
    """

    def __init__(self, app, path):
        self.app = app
        self.path = path

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            line = {
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"].decode("latin-1"),
                "headers": [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in scope["headers"]],
            }
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        await self.app(scope, receive, send)
