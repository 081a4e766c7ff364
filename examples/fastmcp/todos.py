"""The tools over the Todo API, each with the caller's own token."""

from typing import Any

import httpx2
from emcy_worker import get_caller, refuse_upstream_token
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_request


def add_todo_tools(mcp: FastMCP, api: str) -> None:
    async def call(method: str, path: str, body: dict | None = None) -> Any:
        request = get_http_request()
        token = get_caller(request).upstream_access_token
        if token is None:
            raise ToolError("You have not connected your Todo account.")
        async with httpx2.AsyncClient(base_url=api, timeout=10) as client:
            answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == 401:
            refuse_upstream_token(request)
        if answer.is_error:
            raise ToolError(f"The Todo API said: {answer.json()['message']}")
        return answer.json()

    @mcp.tool(annotations={"readOnlyHint": True})
    async def list_todos() -> list[dict]:
        """Lists your todos."""
        return await call("GET", "/todos")

    @mcp.tool
    async def add_todo(title: str) -> dict:
        """Adds a todo to your list."""
        return await call("POST", "/todos", {"title": title})
