"""A server process for tests that kill it: answers every event with its payload.

``python echo_server.py CONNECTION_STRING`` says ``attached`` once it is.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from hubbub.sdk import Respond, WebPubSubServer

if TYPE_CHECKING:
    from hubbub.actors import events


async def main(connection_string: str) -> None:
    server = WebPubSubServer(connection_string, "chat", "subscriber")

    @server.handle_event("*")
    async def echo(event: events.UserEvent) -> Respond:
        return Respond(event.payload)

    async with server:
        print("attached", flush=True)  # noqa: T201 - what the test waits for
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
