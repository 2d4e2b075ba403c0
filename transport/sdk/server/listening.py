"""What a server hears: messages of groups, of the whole hub, and who comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.policy.routes import group_matcher
from hubbub.sdk.messages import Message
from hubbub.sdk.server.feeds import Feed
from hubbub.sdk.server.orders import to_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hubbub.sdk.server import frames
    from hubbub.sdk.server.declarations import Declarations, Declared, Key
    from hubbub.sdk.server.threads import Threads

_WATCH: Final = ("watch", None)
_MOST_PATTERNS: Final = 100
"""Patterns that a gateway takes from one server."""


class HubMessage(Message, frozen=True):
    """A message that was published anywhere in the hub.

    Its target is ``group``, ``to_user``, ``to_connection``, or everyone if all three
    are None.
    """

    to_user: str | None = None
    to_connection: str | None = None


class Presence(msgspec.Struct, frozen=True):
    """Someone came or went.

    ``kind`` is ``connected`` or ``disconnected``, with no group, or ``joined`` or
    ``left`` with one.
    """

    kind: str
    connection_id: str
    user_id: str | None = None
    group: str | None = None


class Listening:
    """The functions of one server that hear things.

    Args:
        declarations: Tells the gateway what to send.
        threads: Runs functions that are not async.
        most: How many messages may wait for each.
    """

    def __init__(self, declarations: Declarations, threads: Threads, most: int) -> None:
        self._declarations = declarations
        self._threads = threads
        self._most = most
        self._feeds: dict[str | None, tuple[Feed[Message], ...]] = {}
        self._watcher: Feed[Presence] | None = None
        self._lost = 0

    @property
    def lost(self) -> int:
        """How many messages were dropped because a function was too slow."""
        feeds = [feed for group in self._feeds.values() for feed in group]
        now = sum(feed.lost for feed in feeds)
        return self._lost + now + (self._watcher.lost if self._watcher else 0)

    def subscribe(self, group: str | None, function: Callable[[Any], Any]) -> Declared:
        """Let a function hear a group or (None) the hub."""
        frame = {} if group is None else to_group(group)
        feed: Feed[Message] = Feed(function, self._threads, self._most)
        before = self._feeds.get(group, ())
        self._feeds[group] = (*before, feed)
        if before:
            return self._declarations.again(_key(group))
        return self._declarations.declare(
            _key(group),
            lambda: {"type": "subscribe", **frame},
            lambda: self._forget(group),
        )

    def unsubscribe(
        self, group: str | None, function: Callable[[Any], Any] | None
    ) -> Declared:
        """Let a function, or all, hear a group or (None) the hub no more."""
        frame = {} if group is None else to_group(group)
        feeds = self._feeds.get(group, ())
        gone = [feed for feed in feeds if function in (None, feed.function)]
        left = tuple(feed for feed in feeds if feed not in gone)
        for feed in gone:
            self._lost += feed.lost
            feed.clear()
        if left or not gone:
            self._feeds[group] = left
            return self._declarations.again(_key(group))
        del self._feeds[group]
        return self._declarations.retract(
            _key(group), lambda: {"type": "unsubscribe", **frame}
        )

    def watch(
        self,
        function: Callable[[Any], Any],
        connections: bool,
        groups: Iterable[str],
    ) -> Declared:
        """Let a function know who comes and goes, in place of any before."""
        patterns = tuple(groups)
        if len(patterns) > _MOST_PATTERNS:
            raise ValueError(f"groups has at most {_MOST_PATTERNS} patterns")
        for pattern in patterns:
            group_matcher(pattern)
        self._unwatch()
        self._watcher = Feed(function, self._threads, self._most)
        return self._declarations.declare(
            _WATCH,
            lambda: {
                "type": "watch",
                "connections": connections,
                "groups": list(patterns),
            },
            self._unwatch,
        )

    def unwatch(self) -> Declared:
        """Let nobody know who comes and goes."""
        self._unwatch()
        return self._declarations.retract(_WATCH, lambda: {"type": "watch"})

    def hear(self, frame: frames.Message, payload: Payload) -> None:
        """Pass a message on to who listens."""
        group = frame.group
        message = Message(payload, group, frame.from_user_id, frame.metadata)
        if frame.scope == "hub":
            group, message = None, _overheard(frame, payload)
        feeds = self._feeds.get(group, ())
        if feeds:
            size = _size(payload)
            for feed in feeds:
                feed.put(message, size)

    def see(self, frame: frames.Presence) -> None:
        """Pass on who came or went."""
        if self._watcher is not None:
            self._watcher.put(
                Presence(frame.kind, frame.connection_id, frame.user_id, frame.group)
            )

    def stop(self) -> None:
        """Let nobody hear anything more."""
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.stop()
        if self._watcher is not None:
            self._watcher.stop()

    def _forget(self, group: str | None) -> None:
        self._declarations.forget(_key(group))
        for feed in self._feeds.pop(group, ()):
            feed.clear()

    def _unwatch(self) -> None:
        self._declarations.forget(_WATCH)
        if self._watcher is not None:
            self._lost += self._watcher.lost
            self._watcher.clear()
            self._watcher = None


def _key(group: str | None) -> Key:
    return ("subscribe", group)


def _overheard(frame: frames.Message, payload: Payload) -> HubMessage:
    return HubMessage(
        payload,
        frame.group,
        frame.from_user_id,
        frame.metadata,
        to_user=frame.user_id,
        to_connection=frame.connection_id,
    )


def _size(payload: Payload) -> int:
    match payload:
        case Text(text=text):
            return len(text)
        case Json(raw=raw):
            return len(raw)
        case Binary(data=data) | Protobuf(data=data):
            return len(data)
