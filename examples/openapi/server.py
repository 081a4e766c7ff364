"""A runtime that is generated from an OpenAPI document and stands behind Emcy Gateway."""

import os
import pathlib

import httpx2
import yaml
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_request
from starlette.middleware import Middleware

from emcy_worker import WorkerContract, get_caller, refuse_upstream_token
from recorder import Recorder


class CallerToken(httpx2.Auth):
    """Sends the caller's own token with every request to the API."""

    def auth_flow(self, request):
        incoming = get_http_request()
        token = get_caller(incoming).upstream_access_token
        if token is None:
            raise ToolError("You have not connected your account.")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            refuse_upstream_token(incoming)


here = pathlib.Path(__file__).parent
document = os.environ.get("OPENAPI_FILE", str(here / "../todo-api/openapi.yaml"))
spec = yaml.safe_load(pathlib.Path(document).read_text(encoding="utf-8"))
api = os.environ.get("TODO_API_URL", spec["servers"][0]["url"])

mcp = FastMCP.from_openapi(
    openapi_spec=spec,
    client=httpx2.AsyncClient(base_url=api, auth=CallerToken(), timeout=10),
    name="OpenAPI example",
    version="1.0.0",
)


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


middleware = [Middleware(WorkerContract)]  # the adapter: this line and its import

if __name__ == "__main__":
    record = os.environ.get("EMCY_EXAMPLE_RECORD")
    if record:
        middleware.insert(0, Middleware(Recorder, path=record))
    mcp.run(
        transport="http",
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "9005")),
        path="/mcp",
        middleware=middleware,
        show_banner=False,
    )
