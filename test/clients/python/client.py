"""FastMCP's client with a memory: a first run signs in, a later one goes on with
what the first one stored.

    python client.py URL ERA STATE_FOLDER

It registers dynamically, unless EMCY_TEST_CLIENT_METADATA_URL is where its metadata
document is, or EMCY_TEST_CLIENT_INFORMATION is what it was given elsewhere.
It prints a line of JSON for each stage that is done, and for the one that fails.
The library opens the browser by itself, by way of $BROWSER.
"""

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)

url, era = sys.argv[1:3]
state = Path(sys.argv[3])


async def stage(name, run):
    try:
        print(json.dumps({"stage": name, **await run()}), flush=True)
    except Exception:
        print(json.dumps({"stage": name, "error": traceback.format_exc()}), flush=True)
        sys.exit(1)


async def main():
    store = FileTreeStore(
        data_directory=state,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(state),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(state),
    )
    given = json.loads(os.environ.get("EMCY_TEST_CLIENT_INFORMATION") or "{}")
    auth = OAuth(
        client_name="FastMCP client",
        token_storage=store,
        client_metadata_url=os.environ.get("EMCY_TEST_CLIENT_METADATA_URL") or None,
        client_id=given.get("client_id"),
        client_secret=given.get("client_secret"),
    )
    client = Client(url, auth=auth, mode=era)

    async def connect():
        await client.__aenter__()
        return {"server": client.server_info.name, "protocol": client.protocol_version}

    async def tools():
        return {"tools": [tool.name for tool in await client.list_tools()]}

    async def call():
        result = await client.call_tool("add", {"a": 40, "b": 2})
        text = result.content[0].text
        if float(text) != 42:
            raise ValueError(f"40 + 2 is {text}")
        return {"text": text}

    await stage("connect", connect)
    await stage("list", tools)
    await stage("call", call)
    await client.close()


asyncio.run(main())
