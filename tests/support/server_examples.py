"""Messages between server and gateway: those of the page, and how payloads look."""

from __future__ import annotations

import base64
import json
from typing import Any

from hubbub.actors.messages import commands, events, pushes, servers
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.messages.servers import ErrorName, Rule, ServerRole

CLIENT = events.Client("chat", "c0ffee", "alice", "json.webpubsub.azure.v1", "level=3")

REQUESTS: dict[str, servers.ServerRequest] = {
    "subscribe": servers.Listen("news", 1),
    "handle": servers.Handle(
        (Rule("connect"), Rule("event", "order.*", "userId ne null")), 100, 2
    ),
    "publish JSON": servers.Order(
        commands.Publish(commands.ToGroup("news"), Json(b'{"n":1}')),
        ServerRole.PUBLISHER,
        3,
        True,
    ),
    "publish bytes": servers.Order(
        commands.Publish(commands.ToUser("alice"), Binary(b"\x01\x02\xff")),
        ServerRole.PUBLISHER,
    ),
    "accept": servers.Answer(1, events.Accept("anna", ("lobby",), state="level=3")),
    "respond": servers.Answer(2, events.Respond(Text("thanks"))),
}

PUSHES: dict[str, servers.ServerPush] = {
    "welcome": servers.Welcome("server-1", "chat", ("publisher", "subscriber")),
    "result": servers.Result(1),
    "result with members": servers.Result(
        9, commands.MemberPage((("c0ffee", "alice"), ("d0d0", None)), more=False)
    ),
    "error": servers.Refused(4, ErrorName.FORBIDDEN, "This takes the role manager."),
    "event": servers.Event(
        2, events.UserEvent(CLIENT, 1, "order.new", Json(b'{"id":9}')), attempt=2
    ),
    "message": pushes.GroupMessage("news", "alice", Binary(b"\x01\x02\xff")),
    "presence": servers.Presence("joined", "c0ffee", "alice", "news"),
    "cancel": servers.Cancelled(2),
}


def fields(payload: Payload) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the members of a payload, in JSON (as values) and in CBOR."""
    match payload:
        case Text(text):
            both = {"dataType": "text", "data": text}
            return both, both
        case Json(raw):
            kind = {"dataType": "json"}
            return {**kind, "data": json.loads(raw)}, {**kind, "data": raw.decode()}
        case Binary(data) | Protobuf(data):
            name = "binary" if isinstance(payload, Binary) else "protobuf"
            kind = {"dataType": name}
            text = base64.b64encode(data).decode()
            return {**kind, "data": text}, {**kind, "data": data}
