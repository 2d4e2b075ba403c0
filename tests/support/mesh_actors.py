"""A handler and a group that an author might write, for gateways of tests."""

from __future__ import annotations

import msgspec

from hubbub.actors import (
    Accept,
    AsyncEventHandler,
    Group,
    GroupMessage,
    Member,
    Reject,
    Respond,
    Text,
    ToGroup,
    ToUser,
    events,
)


class Host(AsyncEventHandler):
    """Lets clients in by name, and publishes what they say to all in the lobby."""

    def on_connect(self, event: events.Connect) -> Accept | Reject:
        name = event.query.get("name", ("",))[0]
        return Accept(user_id=name, groups=("lobby",)) if name else Reject(401, "name?")

    def on_event(self, event: events.UserEvent) -> Respond | None:
        if event.event == "whisper":
            self.hub.publish(ToUser("alice"), event.payload)
        else:
            self.hub.publish(ToGroup("lobby"), event.payload)
        return Respond(Text("told"))


class Polite(Group):
    """Has members with a name only; what is said to it is marked, or kept back."""

    def admit(self, member: Member) -> bool:
        return member.user_id is not None

    def revise(self, push: GroupMessage) -> GroupMessage | None:
        match push.payload:
            case Text(text=text) if text.isupper():
                return None
            case Text(text=text):
                return msgspec.structs.replace(push, payload=Text(f"{text}, please"))
        return push
