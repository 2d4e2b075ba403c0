"""What the author of an event handler imports; see docs/howto/write-a-handler.md."""

from hubbub.actors.facade import HubFacade
from hubbub.actors.handler import AsyncEventHandler, EventHandler
from hubbub.actors.messages import events
from hubbub.actors.messages.commands import Everyone, ToConnection, ToGroup, ToUser
from hubbub.actors.messages.events import Accept, Fail, Reject, Respond
from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text

__all__ = [
    "Accept",
    "AsyncEventHandler",
    "Binary",
    "EventHandler",
    "Everyone",
    "Fail",
    "HubFacade",
    "Json",
    "Protobuf",
    "Reject",
    "Respond",
    "Text",
    "ToConnection",
    "ToGroup",
    "ToUser",
    "events",
]
