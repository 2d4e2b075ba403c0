"""What the author of a handler, a group or an actor imports; see docs/howto."""

from hubbub.actors.authored import HubActor
from hubbub.actors.facade import HubFacade
from hubbub.actors.group import Group, Member
from hubbub.actors.handler import AsyncEventHandler, EventHandler
from hubbub.actors.messages import events
from hubbub.actors.messages.commands import Everyone, ToConnection, ToGroup, ToUser
from hubbub.actors.messages.events import Accept, Allow, Deny, Fail, Reject, Respond
from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text
from hubbub.actors.messages.pushes import GroupMessage

__all__ = [
    "Accept",
    "Allow",
    "AsyncEventHandler",
    "Binary",
    "Deny",
    "EventHandler",
    "Everyone",
    "Fail",
    "Group",
    "GroupMessage",
    "HubActor",
    "HubFacade",
    "Json",
    "Member",
    "Protobuf",
    "Reject",
    "Respond",
    "Text",
    "ToConnection",
    "ToGroup",
    "ToUser",
    "events",
]
