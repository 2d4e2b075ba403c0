"""What people who write clients and servers for hubbub import.

Names are loaded when they are first asked for: the pytest plugin, which every run of
pytest loads, lives in this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubbub.actors.messages.events import Accept as Accept
    from hubbub.actors.messages.events import Allow as Allow
    from hubbub.actors.messages.events import Deny as Deny
    from hubbub.actors.messages.events import Fail as Fail
    from hubbub.actors.messages.events import Reject as Reject
    from hubbub.actors.messages.events import Respond as Respond
    from hubbub.actors.messages.payload import Binary as Binary
    from hubbub.actors.messages.payload import Json as Json
    from hubbub.actors.messages.payload import Protobuf as Protobuf
    from hubbub.actors.messages.payload import StreamMark as StreamMark
    from hubbub.actors.messages.payload import Text as Text
    from hubbub.actors.messages.pushes import GroupStateSnapshot as GroupStateSnapshot
    from hubbub.actors.messages.pushes import GroupStateUpdate as GroupStateUpdate
    from hubbub.actors.messages.pushes import StateItem as StateItem
    from hubbub.sdk.backoff import Backoff as Backoff
    from hubbub.sdk.blocking.server import (
        BlockingWebPubSubServer as BlockingWebPubSubServer,
    )
    from hubbub.sdk.client.cbor_v1 import CBOR_RELIABLE_V1 as CBOR_RELIABLE_V1
    from hubbub.sdk.client.cbor_v1 import CBOR_V1 as CBOR_V1
    from hubbub.sdk.client.client import WebPubSubClient as WebPubSubClient
    from hubbub.sdk.client.group_states import GroupStateWatch as GroupStateWatch
    from hubbub.sdk.client.incoming import IncomingStream as IncomingStream
    from hubbub.sdk.client.json_v1 import JSON_RELIABLE_V1 as JSON_RELIABLE_V1
    from hubbub.sdk.client.json_v1 import JSON_V1 as JSON_V1
    from hubbub.sdk.client.outgoing import OutgoingStream as OutgoingStream
    from hubbub.sdk.client.protobuf_v1 import (
        PROTOBUF_RELIABLE_V1 as PROTOBUF_RELIABLE_V1,
    )
    from hubbub.sdk.client.protobuf_v1 import PROTOBUF_V1 as PROTOBUF_V1
    from hubbub.sdk.client.states import NotRecovered as NotRecovered
    from hubbub.sdk.client.states import NotRejoined as NotRejoined
    from hubbub.sdk.client.states import Offline as Offline
    from hubbub.sdk.client.states import Online as Online
    from hubbub.sdk.errors import AckError as AckError
    from hubbub.sdk.errors import ClosedError as ClosedError
    from hubbub.sdk.errors import ConnectError as ConnectError
    from hubbub.sdk.errors import ConnectionLost as ConnectionLost
    from hubbub.sdk.errors import DeadlineError as DeadlineError
    from hubbub.sdk.errors import HubbubError as HubbubError
    from hubbub.sdk.errors import InvocationError as InvocationError
    from hubbub.sdk.errors import MessagesLost as MessagesLost
    from hubbub.sdk.errors import ProtocolError as ProtocolError
    from hubbub.sdk.errors import RefusedError as RefusedError
    from hubbub.sdk.errors import StreamError as StreamError
    from hubbub.sdk.messages import InvokeResult as InvokeResult
    from hubbub.sdk.messages import Message as Message
    from hubbub.sdk.server.errors import ServerRefusedError as ServerRefusedError
    from hubbub.sdk.server.errors import TooManyCallsError as TooManyCallsError
    from hubbub.sdk.server.listening import HubMessage as HubMessage
    from hubbub.sdk.server.listening import Presence as Presence
    from hubbub.sdk.server.running import attempt as attempt
    from hubbub.sdk.server.server import WebPubSubServer as WebPubSubServer

_HOMES = {
    "hubbub.actors.messages.events": (
        "Accept",
        "Allow",
        "Deny",
        "Fail",
        "Reject",
        "Respond",
    ),
    "hubbub.actors.messages.payload": (
        "Binary",
        "Json",
        "Protobuf",
        "StreamMark",
        "Text",
    ),
    "hubbub.actors.messages.pushes": (
        "GroupStateSnapshot",
        "GroupStateUpdate",
        "StateItem",
    ),
    "hubbub.sdk.backoff": ("Backoff",),
    "hubbub.sdk.blocking.server": ("BlockingWebPubSubServer",),
    "hubbub.sdk.client.cbor_v1": ("CBOR_RELIABLE_V1", "CBOR_V1"),
    "hubbub.sdk.client.client": ("WebPubSubClient",),
    "hubbub.sdk.client.group_states": ("GroupStateWatch",),
    "hubbub.sdk.client.incoming": ("IncomingStream",),
    "hubbub.sdk.client.json_v1": ("JSON_RELIABLE_V1", "JSON_V1"),
    "hubbub.sdk.client.outgoing": ("OutgoingStream",),
    "hubbub.sdk.client.protobuf_v1": ("PROTOBUF_RELIABLE_V1", "PROTOBUF_V1"),
    "hubbub.sdk.client.states": ("NotRecovered", "NotRejoined", "Offline", "Online"),
    "hubbub.sdk.errors": (
        "AckError",
        "ClosedError",
        "ConnectError",
        "ConnectionLost",
        "DeadlineError",
        "HubbubError",
        "InvocationError",
        "MessagesLost",
        "ProtocolError",
        "RefusedError",
        "StreamError",
    ),
    "hubbub.sdk.messages": ("InvokeResult", "Message"),
    "hubbub.sdk.server.server": ("WebPubSubServer",),
    "hubbub.sdk.server.errors": ("ServerRefusedError", "TooManyCallsError"),
    "hubbub.sdk.server.listening": ("HubMessage", "Presence"),
    "hubbub.sdk.server.running": ("attempt",),
}
"""Which module has which names; the block above says the same to type checkers."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - a list, but not a literal


def __getattr__(name: str) -> object:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"{__name__} has no {name}") from None
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
