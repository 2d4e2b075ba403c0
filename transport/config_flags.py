"""The flags of ``hubbub serve``, read into settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.config_mesh import secret_file
from hubbub.transport.config_tables import GATEWAY, HANDLER, handler_faults
from hubbub.transport.config_values import MisfitError, Reader, hub_name
from hubbub.transport.settings import SYSTEM_EVENTS, HandlerSettings, HubSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_HUB = "*"


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the command line; None and empty where nothing does."""

    config: str | None = None
    """The configuration file."""
    host: str | None = None
    port: int | None = None
    endpoint: tuple[str, ...] = ()
    access_key: tuple[str, ...] = ()
    """Primary and secondary key."""
    hub: tuple[str, ...] = ()
    """Hubs that exist; with any, no others do."""
    handler: tuple[str, ...] = ()
    """``HUB=URL`` or ``HUB=module:Class``; the hub ``*`` stands for every hub."""
    user_events: str | None = None
    """Pattern for all ``handler`` flags."""
    system_events: str | None = None
    """Comma list for all ``handler`` flags."""
    allow_anonymous: bool | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    log_format: str | None = None
    log_level: str | None = None
    compression: bool | None = None
    keep_alive: float | None = None
    demo: bool | None = None
    peers: tuple[str, ...] = ()
    """Each a comma list."""
    peer_listen: str | None = None
    peer_endpoint: str | None = None
    discover: str | None = None
    cluster: str | None = None
    cluster_secret: str | None = None
    """The path of a file."""
    workers: str | None = None
    """A whole number, or ``auto``."""


_PLAIN = (
    "host", "port", "tls_cert", "tls_key", "log_format", "log_level", "compression",
    "keep_alive", "demo", "peer_listen", "peer_endpoint", "discover", "cluster",
)  # fmt: skip
"""Flags that stand for the top-level key of the same name."""


def from_flags(flags: Flags) -> dict[str, Any]:
    """Read the flags that stand for a top-level key."""
    given = {
        key: _read(key, GATEWAY[key], getattr(flags, key))
        for key in _PLAIN
        if getattr(flags, key) is not None
    }
    if flags.endpoint:
        given["endpoints"] = _read("endpoint", GATEWAY["endpoints"], flags.endpoint)
    if len(flags.access_key) > 2:  # noqa: PLR2004 - primary and secondary
        raise ConfigurationError("--access-key: expected at most two keys")
    names = ("access_key", "secondary_key")
    for key, value in zip(names, flags.access_key, strict=False):
        given[key] = _read("access_key", GATEWAY[key], value)
    if flags.hub:
        given["open_hubs"] = False
    if flags.peers:
        peers = [place.strip() for flag in flags.peers for place in flag.split(",")]
        given["peers"] = _read("peers", GATEWAY["peers"], list(filter(None, peers)))
    if flags.cluster_secret is not None:
        given["cluster_secret"] = _read(
            "cluster_secret", _secret_from_file, flags.cluster_secret
        )
    if flags.workers is not None:
        number = int(flags.workers) if flags.workers.isdecimal() else flags.workers
        given["workers"] = _read("workers", GATEWAY["workers"], number)
    return given


def _secret_from_file(path: object) -> Any:
    return GATEWAY["cluster_secret"](secret_file(str(path)))


def hubs_from(
    flags: Flags,
    default: HubSettings,
    hubs: Mapping[str, HubSettings],
    *,
    anonymous: bool | None,
) -> tuple[HubSettings, dict[str, HubSettings]]:
    """Let flags change the hubs of the file.

    Args:
        flags: The flags; a hub that has a ``handler`` loses those of the file.
        default: Settings of hubs that have none of their own.
        hubs: Settings by name.
        anonymous: Policy of every hub; None leaves what each has.
    """
    handlers = _handlers(flags)
    names = [_read("hub", hub_name, name) for name in flags.hub]
    everywhere: dict[str, Any] = {}
    if anonymous is not None:
        everywhere["anonymous"] = anonymous
    if EVERY_HUB in handlers:
        everywhere["handlers"] = handlers.pop(EVERY_HUB)
    default = msgspec.structs.replace(default, **everywhere)
    changed = {
        name: msgspec.structs.replace(hub, **everywhere) for name, hub in hubs.items()
    }
    for name in (*names, *handlers):
        changed.setdefault(name, default)
    for name, own in handlers.items():
        changed[name] = msgspec.structs.replace(changed[name], handlers=own)
    return default, changed


def _handlers(flags: Flags) -> dict[str, tuple[HandlerSettings, ...]]:
    """Read the handler flags, by hub."""
    if (flags.user_events or flags.system_events) and not flags.handler:
        raise ConfigurationError(
            "--user-events and --system-events say what a --handler gets; give one, "
            "as --handler chat=https://app.example.com/hooks"
        )
    events = _events(flags)
    handlers: dict[str, tuple[HandlerSettings, ...]] = {}
    for flag in flags.handler:
        hub, equals, target = flag.partition("=")
        if not equals:
            raise ConfigurationError(
                "--handler: expected HUB=URL or HUB=module:Class, as "
                "--handler chat=https://app.example.com/hooks"
            )
        if hub != EVERY_HUB:
            hub = _read("handler", hub_name, hub)
        key = "url" if "://" in target else "handler"
        handler = HandlerSettings(
            **{key: _read("handler", HANDLER[key], target)}, **events
        )
        handlers[hub] = (*handlers.get(hub, ()), handler)
    return handlers


def _events(flags: Flags) -> dict[str, Any]:
    """Read which events go to the handler flags: all, when nothing is said."""
    if flags.user_events is None and flags.system_events is None:
        return {"user_events": "*", "system_events": SYSTEM_EVENTS}
    events = {}
    if flags.user_events:
        events["user_events"] = _read(
            "user_events", HANDLER["user_events"], flags.user_events
        )
    if flags.system_events:
        names = [name for name in flags.system_events.split(",") if name.strip()]
        events["system_events"] = _read(
            "system_events", HANDLER["system_events"], names
        )
    if flags.handler and not events:
        fault, *_ = handler_faults({"url": "", **events})
        raise ConfigurationError(f"--handler: {fault}")
    return events


def _read(flag: str, reader: Reader, value: object) -> Any:
    try:
        return reader(value)
    except MisfitError as error:
        name = flag.replace("_", "-")
        raise ConfigurationError(f"--{name}: {error}") from error
