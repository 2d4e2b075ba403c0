"""The rules for single fields of requests, the same in every encoding. Pure.

Facts from the client protocols reference, sections 1.4 and 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hubbub.actors.messages import requests
from hubbub.actors.policy.names import is_event_name, is_group_name, metadata_fault
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.actors.messages.payload import Metadata, State

MOST_ID: Final = 2**64 - 1
MOST_TTL: Final = 300
MOST_NAME: Final = 1024
"""Characters in the id of a stream or an invocation; those of clients have under 40."""
MOST_IDLE_MS: Final = 2**32 - 1
IDLE_MS: Final = 300_000
MOST_STATE: Final = 8192
"""Bytes in all keys and values of a client's state in a group, as in metadata."""


def group_name(name: str) -> str:
    """Check the name of a group."""
    if not is_group_name(name):
        raise ProtocolViolation(1007, "invalid group name")
    return name


def event_name(name: str | None) -> str:
    """Check the name of an event."""
    if name is None or not is_event_name(name):
        raise ProtocolViolation(1007, "invalid event name")
    return name


def ack_id(number: int | None) -> int | None:
    """Check an ack id; none is allowed."""
    if number is not None and not 0 <= number <= MOST_ID:
        raise ProtocolViolation(1007, "ackId must be an integer of 0 to 2^64-1")
    return number


def sequence_id(value: int | str) -> int:
    """Check a sequence id; one documentation page shows it quoted."""
    if isinstance(value, str):
        if not (
            value.isascii() and value.isdigit() and len(value) <= len(str(MOST_ID))
        ):
            raise ProtocolViolation(1007, "invalid sequenceId")
        value = int(value)
    if not 0 <= value <= MOST_ID:
        raise ProtocolViolation(1007, "invalid sequenceId")
    return value


def fragment_number(number: int) -> int:
    """Check the number of a part of a stream; which are due is not known here."""
    if not 0 <= number <= MOST_ID:
        raise ProtocolViolation(1007, "invalid streamSequenceId")
    return number


def time_to_live(seconds: int | None) -> int:
    """Check for how many seconds a message may wait; none is 0, no limit."""
    if seconds is None:
        return 0
    if not 0 <= seconds <= MOST_TTL:
        raise ProtocolViolation(1007, "ttlSeconds must be 0 to 300")
    return seconds


def name_of(what: str, text: str) -> str:
    """Check an id that a client has chosen for something of its own."""
    if not 0 < len(text) <= MOST_NAME:
        raise ProtocolViolation(1007, f"{what} must have 1 to {MOST_NAME} characters")
    return text


def checked_metadata(pairs: Mapping[str, str]) -> Metadata | None:
    """Check the metadata of a message; empty is none."""
    fault = metadata_fault(pairs.items())
    if fault is not None:
        raise ProtocolViolation(1007, fault)
    return pairs or None


def checked_state(pairs: Mapping[str, str]) -> State:
    """Check what a client says of itself in a group."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in pairs.items())
    if size > MOST_STATE:
        raise ProtocolViolation(
            1007, f"state is longer than {MOST_STATE} bytes in total"
        )
    return pairs


def start_of_stream(
    group: str, stream_id: str, no_echo: bool, idle_ms: int | None
) -> requests.StartStream:
    """Check what begins a stream; silence of five minutes ends it, if not told."""
    if idle_ms is None:
        idle_ms = IDLE_MS
    if not 0 < idle_ms <= MOST_IDLE_MS:
        raise ProtocolViolation(1007, f"idleTimeoutMs must be 1 to {MOST_IDLE_MS}")
    return requests.StartStream(
        group_name(group), name_of("streamId", stream_id), no_echo, idle_ms / 1000
    )
