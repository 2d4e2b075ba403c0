"""Settings as frozen structs; where they come from is ``configuration``'s business.

Defaults are the service's own, from its reference pages, where it documents any.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hubbub.transport.wire.tokens import Keyring

SYSTEM_EVENTS = ("connect", "connected", "disconnected")
PRESENCE_EVENTS = ("joined", "left")
INTERCEPTIONS = ("publish", "subscribe")


class HandlerSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """One event handler of a hub: a webhook (``url``) or a class of your own."""

    url: str | None = None
    """URL template of a webhook; ``{hub}`` and ``{event}`` are replaced."""
    handler: str | None = None
    """``module:Class`` of an EventHandler or AsyncEventHandler."""
    user_events: str | None = None
    """Pattern of user event names (``*``, ``order.*, message``); None: none."""
    system_events: tuple[str, ...] = ()
    """Any of ``connect``, ``connected``, ``disconnected``."""
    presence_events: tuple[str, ...] = ()
    """Any of ``joined``, ``left``."""
    presence_groups: tuple[str, ...] = ()
    """Patterns of groups whose presence is told; none means all."""
    interceptions: tuple[str, ...] = ()
    """Any of ``publish``, ``subscribe``: wishes of clients to decide on (class)."""
    timeout: float = 100.0
    """Seconds until an event fails, retries included."""
    retries: int = 3
    """Retries of a webhook after a connection error, 408 or 5xx (0 to 3)."""
    concurrency: int = 100
    """Requests under way at a time (webhook)."""
    queue: int = 10_000
    """Events that may wait for a free request; beyond it events fail (webhook)."""
    validate: bool = True
    """Whether a webhook must consent first (abuse protection)."""
    ca_file: str | None = None
    """Extra certificate authority for an https webhook."""
    workers: int = 1
    """Threads of an EventHandler class; a connection stays with one."""


class HubSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Settings of one hub."""

    anonymous: bool = False
    """Whether clients may connect without a token."""
    origins: tuple[str, ...] = ("*",)
    """Allowed ``Origin`` values of browsers (``https://app.example``); ``*``: any."""
    handlers: tuple[HandlerSettings, ...] = ()
    """Event handlers; the first that matches an event gets it, alone."""
    keep_alive: float | None = None
    """Seconds between pings; None takes the gateway's."""
    servers_first: bool = True
    """Whether attached servers get an event before the handlers above."""
    servers_required: bool = False
    """Whether clients are refused (503) while no attached server takes ``connect``."""
    server_timeout: float = 100.0
    """Seconds until an event fails that an attached server has."""
    server_grace: float = 10.0
    """Seconds that events wait for a server once the last that took them is gone."""
    groups: tuple[tuple[str, str], ...] = ()
    """Pattern of group names to ``module:Class`` of a Group, the first that fits."""
    actors: tuple[str, ...] = ()
    """``module:Class`` of HubActors that live as long as the hub."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of a gateway: sizes in bytes, times in seconds."""

    message_size: int = 1 << 20
    """Largest client message and REST body (1009, 413)."""
    head_size: int = 64 << 10
    """Largest request head (431)."""
    head_seconds: float = 10.0
    """Longest time for a request head to arrive (408)."""
    body_seconds: float = 30.0
    """Longest time for a request body to arrive (408)."""
    idle_seconds: float = 30.0
    """Longest silence of a kept-alive HTTP connection."""
    queue_messages: int = 1000
    """Messages that may wait for a slow client before it is closed."""
    queue_bytes: int = 16 << 20
    """Bytes that may wait for a slow client before it is closed."""
    stash: int = 100
    """Requests that may wait behind an event before reading pauses."""
    recovery_seconds: float = 60.0
    """How long a reliable session waits for its client to come back."""
    retained_messages: int = 1000
    """Messages kept for a reliable client while it is away, or does not acknowledge."""
    retained_bytes: int = 16 << 20
    """Bytes kept for a reliable client until it acknowledges them."""
    ack_seconds: float = 10.0
    """Time for a reliable client to acknowledge once too many messages are kept."""
    close_seconds: float = 5.0
    """Longest wait for a client to answer a close frame."""
    connections: int = 1_000_000
    """Open connections; beyond it handshakes get 429."""
    server_message_size: int = 4 << 20
    """Largest message of an attached server (1009)."""
    server_queue_messages: int = 100_000
    """Messages that may wait for a slow server before it is closed."""
    server_queue_bytes: int = 64 << 20
    """Bytes that may wait for a slow server before it is closed."""

    def of_servers(self) -> Limits:
        """Give the bounds as they are for attached servers."""
        return msgspec.structs.replace(
            self,
            message_size=self.server_message_size,
            queue_messages=self.server_queue_messages,
            queue_bytes=self.server_queue_bytes,
        )


class Secret(msgspec.Struct, frozen=True):
    """A text that neither a log nor a table shows."""

    text: str

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> str:
        return "set"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of a gateway process."""

    keys: Keyring
    """Access keys as they stand in ``AccessKey=`` of the connection string."""
    host: str = "127.0.0.1"
    port: int = 8080
    endpoints: tuple[str, ...] = ()
    """Public URLs of this service, the first being the one in connection strings."""
    tls_cert: str | None = None
    tls_key: str | None = None
    compression: bool = False
    """Whether permessage-deflate is negotiated."""
    keep_alive: float = 20.0
    """Seconds between pings to a client; a pong must come within as many."""
    drain_seconds: float = 10.0
    """Longest time for a drain."""
    log_format: str = "text"
    """``text`` or ``json``."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    demo: bool = False
    """Whether the demo page is served."""
    open_hubs: bool = True
    """Whether hubs without settings work, with the defaults."""
    peers: tuple[str, ...] = ()
    """Where other gateways of the service may be; one that lives is enough."""
    peer_listen: str | None = None
    """Where other gateways reach this one; port 0 takes a free one."""
    peer_endpoint: str | None = None
    """What other gateways are told to dial; None: ``peer_listen``."""
    discover: str | None = None
    """``dns://NAME:PORT``: every address of the name is a peer."""
    cluster: str = "hubbub"
    """Gateways of another name are refused."""
    cluster_secret: Secret | None = None
    """The content of the file that ``hubbub secret`` makes."""
    workers: int = 1
    """Processes that serve the same port."""
    limits: Limits = Limits()
    default: HubSettings = HubSettings()
    """Settings of hubs that have none of their own."""
    hubs: dict[str, HubSettings] = {}
    """Settings by hub name, lower case."""

    def hub(self, name: str) -> HubSettings | None:
        """Settings of a hub by lower-case name; None when it does not exist."""
        found = self.hubs.get(name)
        if found is None and self.open_hubs:
            return self.default
        return found


class Live:
    """The settings in force; a reload swaps them as a whole."""

    __slots__ = ("settings",)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
