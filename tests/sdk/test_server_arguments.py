"""What a server does not take from its owner, as it can never be right."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.sdk import (
    AckError,
    Json,
    Respond,
    WebPubSubServer,
)
from support.fake_gateway import KEY, FakeGateway


@pytest.mark.parametrize(
    ("hub", "roles", "options"),
    [
        ("", "manager", {}),
        ("chat", "", {}),
        ("chat", "manager+owner", {}),
        ("chat", "manager", {"protocol": "xml"}),
        ("chat", "manager", {"window": 0}),
        ("chat", "manager", {"threads": 0}),
        ("chat", "manager", {"inbox": 0}),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    hub: str, roles: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        WebPubSubServer(
            f"Endpoint=http://127.0.0.1:1;AccessKey={KEY};",
            hub,
            roles,
            **options,
        )


def test_roles_are_a_text_or_a_list() -> None:
    place = f"Endpoint=http://127.0.0.1:1;AccessKey={KEY};"
    assert WebPubSubServer(place, "chat", "manager").roles == ("manager",)
    listed = WebPubSubServer(place, "chat", ["publisher", "subscriber"])
    assert listed.roles == ("publisher", "subscriber")
    with pytest.raises(AckError, match="manager"):
        listed.watch(lambda _: None)
    with pytest.raises(AckError, match="subscriber"):
        WebPubSubServer(place, "chat", "manager").subscribe("group", lambda _: None)


async def test_a_frame_that_is_too_large_is_not_sent() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server(message_size=1000)
        server.handle_event("*", lambda _: "x" * 1000)
        async with server:
            peer = await gateway.peer()
            with pytest.raises(ValueError, match="1000"):
                await server.publish("g", "x" * 1000)
            await peer.event(1)
            assert (await peer.heard("fail"))["eventId"] == 1


@pytest.mark.parametrize("protocol", ["cbor", "json"])
@pytest.mark.parametrize("raw", [b"{bad", b"", b" null ", b'"\xff"', b"1 2", b"\xff"])
async def test_what_is_not_json_is_not_sent_as_json(protocol: str, raw: bytes) -> None:
    async with FakeGateway() as gateway:
        server = gateway.server(protocol=protocol)
        server.handle_event("*", lambda _: Respond(Json(raw)))
        async with server:
            peer = await gateway.peer()
            with pytest.raises(ValueError, match=r"."):
                await server.publish("g", Json(raw))
            await peer.event(1)
            assert (await peer.heard("fail"))["eventId"] == 1
