"""What a webhook's HTTP answers mean to a client.

Source: the service's event handler reference (answers, connection state). Whether to
ask again is not decided here.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.actors.policy.routes import is_state

Headers: TypeAlias = tuple[tuple[str, str], ...]

ANSWER_LIMIT: Final = 16 << 20
"""Longest body of an answer (answers, user events)."""

_METADATA: Final = "x-webpubsub-metadata-"
_STATE: Final = "ce-connectionstate"


class Answer(msgspec.Struct, frozen=True):
    """What came back; header names in any case, repeated ones one by one."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status <= 299  # noqa: PLR2004

    def values(self, name: str) -> list[str]:
        """Give the values of a header by its lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]


class ConnectAnswer(msgspec.Struct, frozen=True, rename="lower"):
    """The body of an accepted connect; what else it holds is ignored."""

    userid: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None


def connect_outcome(answer: Answer) -> events.Accept | events.Reject:
    """Say what an answer to ``connect`` means (answers, connect).

    Raises:
        ValueError: It is a success that cannot be understood.
    """
    if not answer.succeeded:
        # Never a body: what a webhook writes about a failure is not for clients.
        status = answer.status if answer.status >= 400 else 500  # noqa: PLR2004
        return events.Reject(status, "The event handler refused the connection.")
    overrides = _overrides(answer.body)
    if not all(map(is_group_name, overrides.groups or ())):
        raise ValueError("it names an invalid group")
    return events.Accept(
        overrides.userid,
        overrides.groups or None,
        overrides.roles,
        overrides.subprotocol or None,
        _state(answer),
    )


def _overrides(body: bytes) -> ConnectAnswer:
    content = _json(body) if body.strip() else None
    if isinstance(content, dict):
        # One page of the reference writes subProtocol: names compare in lower case.
        content = {key.lower(): value for key, value in content.items()}
    try:
        return msgspec.convert({} if content is None else content, ConnectAnswer)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def event_outcome(answer: Answer) -> events.Respond:
    """Say what an answer to a user event means (answers, user events).

    Raises:
        ValueError: It is a failure, or a success that cannot be understood.
    """
    if not answer.succeeded:
        raise ValueError(f"status {answer.status}")
    metadata = _metadata(answer)
    payload = _payload(answer)
    if payload is None and metadata:
        payload = Text("")
    return events.Respond(payload, _state(answer), metadata)


def _payload(answer: Answer) -> Payload | None:
    body = answer.body
    if not body:  # wins over its type: express answers so for "no reply"
        return None
    kinds = answer.values("content-type")
    match kinds[-1].partition(";")[0].strip().lower() if kinds else "":
        case "text/plain":
            return Text(body.decode())
        case "application/json":
            # JavaScript clients drop or hang on null.
            return None if _json(body) is None else Json(body)
        case "application/octet-stream" | "":
            return Binary(body)
        case "application/x-protobuf":
            return Protobuf(body)
        case kind:
            raise ValueError(f"a body of type {kind} is not a message")


def _json(body: bytes) -> Any:
    """Read JSON; what is wrong with it is told without quoting it."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _metadata(answer: Answer) -> dict[str, str] | None:
    metadata = {
        key[len(_METADATA) :].lower(): value.rpartition(",")[2].strip()
        for key, value in answer.headers
        if key.lower().startswith(_METADATA)
    }
    fault = metadata_fault(metadata.items())
    if fault is not None:
        raise ValueError(fault)
    return metadata or None


def _state(answer: Answer) -> str | None:
    """Give the state to store; an empty one is stored too, of several the last."""
    states = answer.values(_STATE)
    if not states:
        return None
    if not is_state(states[-1]):
        raise ValueError("its connection state is too long or not printable ASCII")
    return states[-1]
