"""Streams of @azure/web-pubsub-client 1.1.0, end to end: ``tests/node/streams.mjs``.

Its clients speak the reliable protocol, which they choose themselves. The readers are
official clients too, in JavaScript and Python, and bare frames beside them.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import uvloop
from azure.messaging.webpubsubclient.aio import (
    WebPubSubClient,
    WebPubSubClientCredential,
)
from azure.messaging.webpubsubclient.models import CallbackType

from support.gateway import GatewayProcess
from support.official import SECONDS, Bystander, Story, tell
from support.returning import RELIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.node

HUB = "node_streams"
EVERYBODY = "everybody"
FORBIDDEN = "No permission to publish to"


class Played(NamedTuple):
    """The story, and what others in the group ``everybody`` saw of one stream."""

    story: Story
    python: list[tuple[str, str, Any, int | None]]
    """As the official aio client gives it: group, user, data, sequence id."""
    plain: list[dict[str, Any]]
    reliable: list[dict[str, Any]]
    simple: list[str | bytes]
    """As frames, of clients that speak JSON and one that speaks nothing."""


@pytest.fixture(scope="module", params=[1, 2])
def played(request: pytest.FixtureRequest) -> Iterator[Played]:
    with GatewayProcess("--log-level", "info", workers=request.param) as gateway:
        yield uvloop.run(play(gateway))
        assert "Traceback" not in gateway.log


@pytest.fixture
def story(played: Played) -> Story:
    return played.story


async def play(gateway: GatewayProcess) -> Played:
    def url(user: str) -> str:
        return gateway.client_url(HUB, user, groups=[EVERYBODY])

    async def credential() -> str:
        return url("python")

    python: list[Any] = []
    fenced = asyncio.Event()

    async def heard(message: Any) -> None:
        python.append(
            (message.group, message.from_user_id, message.data, message.sequence_id)
        )
        if message.data == "fence":
            fenced.set()

    official = WebPubSubClient(WebPubSubClientCredential(credential))
    await official.subscribe(CallbackType.GROUP_MESSAGE, heard)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(official)
        plain, reliable, simple = [
            await stack.enter_async_context(Bystander(url(str(name)), name))
            for name in ("json.webpubsub.azure.v1", RELIABLE, None)
        ]
        connection = gateway.connection_string
        story = await asyncio.to_thread(
            lambda: tell(
                "streams.mjs",
                CONNECTION_STRING=connection,
                HUB=HUB,
                EVERYBODY=EVERYBODY,
            )
        )
        fence = gateway.client_url(HUB, "fence", ["webpubsub.sendToGroup"])
        async with Bystander(fence) as client:
            await client.request(
                type="sendToGroup", group=EVERYBODY, dataType="text", data="fence"
            )
        async with asyncio.timeout(SECONDS):
            await fenced.wait()
        return Played(
            story,
            python,
            [await plain.push() for _ in range(3)],
            [await reliable.push() for _ in range(3)],
            [await simple.frame() for _ in range(3)],
        )


def whole(scene: dict[str, Any], data: list[Any], first: int = 1) -> None:
    """Check that a reader got this, under numbers without a gap, and a good end."""
    assert scene["data"] == data
    assert scene["numbers"] == list(range(first, first + len(data)))
    assert scene["error"] is None
    assert scene["aborted"]


def test_the_parts_are_of_every_data_type(story: Story) -> None:
    for kind, data in (
        ("text", ["hel", "lo é ✓", ""]),
        ("json", [{"n": 1}, [2.5, "x"], 7, "text", False]),
        ("binary", ["0001feff"]),
        ("protobuf", ["0a0f747970652e746573742f5468696e6712020801"]),
    ):
        scene = story["everyType"][kind]
        whole(scene, data)
        assert scene["id"] == f"of {kind}"
        assert scene["group"] == "types"
        assert scene["types"] == [kind]
        assert scene["from"] == ["alice"]


def test_readers_of_either_json_protocol_read_the_same(story: Story) -> None:
    plain, reliable = story["toEverybody"]["found"]
    for scene in (plain, reliable):
        whole(scene, ["one", "two"])
    assert story["toEverybody"]["late"]["message"] == "Stream 's-1' is completed."


def test_the_official_python_client_hears_every_part_and_the_end(
    played: Played,
) -> None:
    """It knows no streams: a part is a message, and the end one of empty text."""
    assert played.python == [
        (EVERYBODY, "alice", "one", 1),
        (EVERYBODY, "alice", "two", 2),
        (EVERYBODY, "alice", "", 3),
        (EVERYBODY, "fence", "fence", 4),
    ]


def test_the_frames_are_as_the_reference_has_them(played: Played) -> None:
    """Client protocols, streaming to a group."""
    expected = [
        {
            "type": "message",
            "from": "group",
            "group": EVERYBODY,
            "fromUserId": "alice",
            "dataType": "text",
            "data": data,
            "stream": {"streamId": "s-1", "streamSequenceId": number, **end},
        }
        for number, data, end in (
            (1, "one", {}),
            (2, "two", {}),
            (3, "", {"endOfStream": True}),
        )
    ]
    assert played.plain == expected
    assert played.reliable == [
        {**push, "sequenceId": number} for number, push in enumerate(expected, 1)
    ]
    assert played.simple == ["one", "two", "fence"], "the end is all envelope"


def test_a_long_stream_is_acknowledged_and_arrives_in_order(story: Story) -> None:
    scene = story["long"]
    assert scene["data"] == list(range(900))
    assert scene["numbered"] == list(range(1, 901))
    assert scene["error"] is None
    assert scene["all"], "everything written was acknowledged"
    assert scene["closed"], "its end too"


def test_streams_of_one_client_and_of_several_do_not_mix(story: Story) -> None:
    scenes = story["several"]
    for name, user in (("a", "alice"), ("b", "alice"), ("a2", "carol")):
        whole(scenes[name], [f"{name}{number}" for number in range(20)])
        assert scenes[name]["from"] == [user]


def test_an_id_is_free_again_once_its_stream_is_closed(story: Story) -> None:
    for scene, data in zip(story["again"], ("first", "second"), strict=True):
        whole(scene, [data])
        assert scene["id"] == "same"


def test_no_echo_spares_the_publisher_the_whole_stream(story: Story) -> None:
    scene = story["echo"]
    whole(scene["found"], ["to me"])
    assert scene["found"]["id"] == "loud"
    assert scene["more"] == 0


def test_whoever_joins_late_reads_the_rest_or_the_next(story: Story) -> None:
    scene = story["lateComer"]
    whole(scene["found"], ["heard"], first=2)
    whole(scene["whole"], ["whole"])
    assert scene["whole"]["id"] == "other"


def test_the_publishers_error_ends_the_stream_for_its_readers(story: Story) -> None:
    scene = story["publishersError"]
    assert scene["found"]["data"] == ["half"]
    assert scene["found"]["error"] == {
        "name": "UserError",
        "message": "the model gave up",
        "userErrorCode": "E42",
    }
    assert scene["told"] == [], "to the publisher it is a good end"
    assert scene["late"]["message"].endswith("is completed.")


def test_a_wait_that_is_aborted_does_not_take_back_what_was_written(
    story: Story,
) -> None:
    scene = story["abortedWrite"]
    assert scene["refused"]["name"] == "AbortError"
    whole(scene["found"], ["a", "b"])


def test_who_may_not_publish_cannot_open_a_stream(story: Story) -> None:
    scene = story["forbidden"]
    assert scene["name"] == "Forbidden"
    assert scene["message"] == f"{FORBIDDEN} theirs."


def test_a_permission_that_is_taken_away_ends_the_stream(story: Story) -> None:
    scene = story["revoked"]
    assert scene["found"]["data"] == ["still may"]
    for error in (scene["found"]["error"], scene["error"]):
        assert error["name"] == "Forbidden"
        assert error["message"] == f"{FORBIDDEN} revoked."


def test_a_stream_that_is_idle_ends_for_both_sides(story: Story) -> None:
    scene = story["idle"]
    assert scene["found"]["data"] == ["and then nothing"]
    assert scene["found"]["error"]["name"] == "IdleTimeout"
    assert scene["error"]["name"] == "IdleTimeout"
    assert scene["late"]["message"].endswith("is completed.")


def test_keepalives_hold_a_stream_open(story: Story) -> None:
    whole(story["keepAlive"], ["a", "b"])


def test_a_stream_goes_on_after_its_publisher_has_recovered(story: Story) -> None:
    """Five cuts, each of an open connection, while 300 parts are written."""
    scene = story["publisherRecovers"]
    assert scene["data"] == list(range(300))
    assert scene["numbered"] == list(range(1, 301))
    assert scene["error"] is None
    assert scene["trouble"] == []
    assert scene["closed"]
    assert scene["sockets"] >= 6


def test_a_stream_goes_on_after_its_reader_has_recovered(story: Story) -> None:
    """Five cuts, each of an open connection, while 300 parts are written."""
    scene = story["readerRecovers"]
    assert scene["data"] == list(range(300))
    assert scene["numbered"] == list(range(1, 301))
    assert scene["error"] is None
    assert scene["sockets"] >= 6


@pytest.mark.parametrize("how", ["publisherIsClosed", "plainPublisherIsCut"])
def test_a_stream_ends_with_the_session_of_its_publisher(
    story: Story, how: str
) -> None:
    """A session without numbers ends with its socket."""
    scene = story[how]
    assert scene["found"]["data"] == ["half"]
    assert scene["found"]["error"]["name"] == "Cancelled"
    assert "cannot be recovered" in scene["error"]["message"]
