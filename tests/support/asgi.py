"""Calls an ASGI application in process, with the bytes of a request as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


async def call(
    app: Any,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] | None = b"",
) -> Response | None:
    """Send a request; a body of None never comes, None comes back without an answer."""
    path, _, query = target.partition("?")
    chunks = [body] if isinstance(body, bytes) else list(body or ())
    events = [
        {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in chunks[:-1]
    ]
    events += [{"type": "http.request", "body": chunk} for chunk in chunks[-1:]]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if body is None:
            await asyncio.Event().wait()
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers
        ],
    }
    await app(scope, receive, send)
    if not sent:
        return None
    start, *rest = sent
    own = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Response(start["status"], own, b"".join(m.get("body", b"") for m in rest))
