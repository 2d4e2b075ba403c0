"""The parts of the client that can be looked at alone."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import pickle
import subprocess
import sys
from itertools import islice
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hubbub.sdk
from hubbub.actors.messages import pushes, requests
from hubbub.sdk import (
    JSON_V1,
    AckError,
    Backoff,
    Binary,
    ClosedError,
    ConnectionLost,
    DeadlineError,
    Json,
    Message,
    MessagesLost,
    Protobuf,
    ProtocolError,
    RefusedError,
    Text,
)
from hubbub.sdk.client.inbox import Inbox, Inboxes
from hubbub.sdk.client.protocols import Answer, Arrival
from hubbub.sdk.messages import payload_of
from hubbub.transport.subprotocols import json_requests

# The subprotocol.

PAYLOADS = st.one_of(
    st.text().map(Text),
    st.binary().map(Binary),
    st.binary().map(Protobuf),
    st.one_of(st.integers(-(2**53), 2**53), st.lists(st.text()), st.booleans()).map(
        lambda value: Json(json.dumps(value).encode())
    ),
)
NAMES = st.text(min_size=1, max_size=1024).filter(lambda text: not text.isspace())
IDS = st.none() | st.integers(0, 2**64 - 1)
METADATA = st.none() | st.dictionaries(
    st.sampled_from(["a", "b"]), st.just("v"), min_size=1
)


@given(
    st.one_of(
        st.builds(requests.JoinGroup, NAMES, IDS),
        st.builds(requests.LeaveGroup, NAMES, IDS),
        st.builds(
            requests.SendToGroup,
            NAMES,
            PAYLOADS,
            st.booleans(),
            IDS,
            METADATA,
            st.integers(0, 300),
        ),
        st.builds(requests.SendEvent, st.just("order.new"), PAYLOADS, IDS, METADATA),
        st.just(requests.Ping()),
    )
)
def test_the_gateway_reads_what_the_client_writes(request: Any) -> None:
    assert json_requests.read(JSON_V1.encode(request).encode()) == request


FRAMES: dict[str, Arrival | None] = {
    """{"type":"system","event":"connected","connectionId":"c","userId":null}""": (
        pushes.Connected("c", None)
    ),
    """{"type":"system","event":"connected","connectionId":"c","userId":"u",
    "reconnectionToken":"r"}""": pushes.Connected("c", "u", "r"),
    """{"type":"system","event":"disconnected","message":"bye"}""": (
        pushes.Disconnected("bye")
    ),
    """{"type":"system","event":"disconnected"}""": pushes.Disconnected(""),
    """{"type":"pong"}""": pushes.Pong(),
    """{"type":"ack","ackId":3,"success":true}""": Answer(3),
    """{"type":"ack","ackId":3,"success":false,
    "error":{"name":"Odd","message":"why"}}""": Answer(3, "Odd", "why"),
    """{"type":"message","from":"group","group":"g","fromUserId":"u",
    "dataType":"json","data": [1, 2] ,"metadata":{"k":"v"},"sequenceId":9}""": (
        Message(Json(b"[1, 2]"), "g", "u", {"k": "v"})
    ),
    """{"type":"message","from":"server","dataType":"protobuf","data":"AQI="}""": (
        Message(Protobuf(b"\x01\x02"))
    ),
    """{"type":"later"}""": None,
}


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_the_service_are_read(frame: str) -> None:
    assert JSON_V1.decode(frame) == FRAMES[frame]


FIELDS = st.sampled_from(
    ["type", "event", "from", "group", "data", "dataType", "ackId", "success", "error"]
)
WORDS = st.sampled_from(
    ["ack", "system", "connected", "message", "group", "server", "text", "binary"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS | st.text(), inner),
    max_leaves=5,
)


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.dictionaries(FIELDS, VALUES).map(json.dumps),
    )
)
@example("\ud800")
@example("[" * 100_000)
def test_any_frame_is_read_or_is_a_protocol_error(frame: str | bytes) -> None:
    try:
        arrival = JSON_V1.decode(frame)
    except ProtocolError:
        return
    assert arrival is None or isinstance(arrival, get_args(Arrival))


# Messages.


@given(PAYLOADS)
def test_a_payload_is_sent_as_it_is(payload: Text | Json | Binary | Protobuf) -> None:
    assert payload_of(payload) is payload
    message = Message(payload)
    assert message.data is message.data  # decoded once
    assert message.data_type == type(payload).__name__.lower()


def test_none_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="null"):
        payload_of(None)


# Pauses.


@given(
    st.floats(0.001, 10),
    st.floats(1, 100),
    st.floats(1, 10),
    st.floats(0, 1),
    st.integers(0, 10_000),
    st.floats(0, 1),
)
def test_a_pause_is_within_its_bounds(
    first: float,
    factor: float,
    growth: float,
    jitter: float,
    number: int,
    luck: float,
) -> None:
    most = first * factor
    backoff = Backoff(first=first, most=most, growth=growth, jitter=jitter)
    assert 0 <= backoff.pause(number, luck) <= most
    assert backoff.pause(number, 0) <= backoff.pause(number + 1, 0)


def test_pauses_double_up_to_the_limit() -> None:
    backoff = Backoff(first=1, most=5, jitter=0.5)
    assert list(islice(backoff.pauses(lambda: 0), 5)) == [1, 2, 4, 5, 5]
    assert list(islice(backoff.pauses(lambda: 1), 3)) == [0.5, 1, 2]
    assert len(list(Backoff(attempts=3).pauses())) == 3


@pytest.mark.parametrize(
    "numbers",
    [
        {"first": 0},
        {"first": 2, "most": 1},
        {"growth": 0.5},
        {"jitter": 2},
        {"attempts": -1},
    ],
)
def test_pauses_that_make_no_sense_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Backoff(**numbers)


# Inboxes.


async def test_a_message_that_a_cancelled_reader_leaves_goes_to_the_next() -> None:
    inbox: Inbox[int] = Inbox(10)
    first, second = (asyncio.create_task(inbox.next()) for _ in range(2))
    await asyncio.sleep(0)
    inbox.put(1)  # wakes the first, who is cancelled before it runs
    first.cancel()
    assert await asyncio.wait_for(second, 5) == 1
    assert first.cancelled()


async def test_an_inbox_is_bounded_by_bytes_too() -> None:
    inbox: Inbox[int] = Inbox(10, most_bytes=100)
    for number in range(5):
        inbox.put(number, 40)
    with pytest.raises(MessagesLost, match="3 messages"):
        await inbox.next(0)
    assert [await inbox.next(0), await inbox.next(0)] == [3, 4]
    inbox.put(5, 1000)  # larger than the bound, and still the latest
    assert await inbox.next(0) == 5


async def test_an_iterator_that_nobody_has_any_more_gets_no_messages() -> None:
    inboxes = Inboxes(10)
    kept, dropped = inboxes.new(), inboxes.new()
    for text in ("a", "b"):
        inboxes.put(Message(Text(text)))
    assert (await dropped.next(0)).data == "a"
    del dropped
    gc.collect()
    assert list(inboxes._others) == [kept]


async def test_many_readers_of_one_inbox_share_what_comes() -> None:
    inbox: Inbox[int] = Inbox(100)
    readers = [asyncio.create_task(inbox.next()) for _ in range(10)]
    await asyncio.sleep(0)
    for number in range(10):
        inbox.put(number)
    assert sorted(await asyncio.gather(*readers)) == list(range(10))
    waiting = [asyncio.create_task(inbox.next()) for _ in range(3)]
    await asyncio.sleep(0)
    inbox.end()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [ClosedError] * 3


# Errors and names.


@pytest.mark.parametrize(
    "error",
    [
        AckError("Forbidden", "no", 3),
        ConnectionLost("cut", 4),
        DeadlineError("the answer", 0.5, 5),
        MessagesLost(6),
        RefusedError(401),
    ],
)
def test_an_error_can_go_to_another_process(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))
    assert isinstance(copy, hubbub.sdk.HubbubError)


def test_every_name_is_where_the_table_says() -> None:
    for name in hubbub.sdk.__all__:
        assert getattr(hubbub.sdk, name) is not None, name
        assert name in dir(hubbub.sdk)
    with pytest.raises(AttributeError, match="has no WebPubSub"):
        importlib.import_module("hubbub.sdk").WebPubSub  # noqa: B018 - the asking fails


def test_the_package_and_its_plugin_import_nothing_heavy() -> None:
    script = (
        "import sys, pytest; before = set(sys.modules);"
        "import hubbub.sdk, hubbub.sdk.testing;"
        "print(*sorted(set(sys.modules) - before))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = shown.stdout.split()
    assert [name for name in names if not name.startswith(("hubbub", "__edit"))] == []
    assert len(names) < 8
