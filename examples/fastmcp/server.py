"""A small runtime on FastMCP that stands behind Emcy Gateway."""

import asyncio
import os
from datetime import datetime, timezone
from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_request
from pydantic import Field
from starlette.middleware import Middleware

from emcy_worker import WorkerContract, get_caller
from recorder import Recorder
from todos import add_todo_tools

mcp = FastMCP("FastMCP example", version="1.0.0", instructions="A few small tools, to try the gateway with.")


@mcp.tool(annotations={"readOnlyHint": True})
def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b


@mcp.tool(annotations={"readOnlyHint": True})
def now() -> str:
    """Tells the time at the runtime, in UTC."""
    return datetime.now(timezone.utc).isoformat()


@mcp.tool(annotations={"readOnlyHint": True})
def whoami() -> dict[str, str | None]:
    """Tells who is asking, as the gateway vouched for it to this runtime."""
    caller = get_caller(get_http_request())
    return {
        "subject": caller.subject,
        "tenant": caller.tenant,
        "client": caller.client,
        "request_id": caller.request_id,
    }


@mcp.tool(annotations={"readOnlyHint": True})
async def slow_count(
    ctx: Context,
    to: Annotated[int, Field(ge=1, le=100)] = 5,
    delay_ms: Annotated[int, Field(ge=0, le=10_000)] = 200,
) -> str:
    """Counts slowly and reports its progress while it does."""
    for number in range(1, to + 1):
        await asyncio.sleep(delay_ms / 1000)
        await ctx.report_progress(number, to, f"counted to {number}")
    return f"counted to {to}"


if os.environ.get("TODO_API_URL"):
    add_todo_tools(mcp, os.environ["TODO_API_URL"])

middleware = [Middleware(WorkerContract)]  # the adapter: this line and its import

if __name__ == "__main__":
    record = os.environ.get("EMCY_EXAMPLE_RECORD")
    if record:
        middleware.insert(0, Middleware(Recorder, path=record))
    mcp.run(
        transport="http",
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "9001")),
        path="/mcp",
        middleware=middleware,
        show_banner=False,
    )
