"""Settings tried out before they are used, and shown as tables without secrets."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from hubbub.transport.configuration import (
    ConfigurationError,
    Flags,
    load,
    uses_development_key,
)
from hubbub.transport.handlers import handler_specs
from hubbub.transport.settings import Limits, Live, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.transport.settings import HandlerSettings, HubSettings

_APART = frozenset({"keys", "limits", "default", "hubs"})


def load_and_try(flags: Flags) -> Settings:
    """Build the settings, and try what they refer to: classes and certificates.

    Raises:
        ConfigurationError: They cannot be used; the text says why.
    """
    settings = load(flags)
    hubs = {"*": settings.default, **settings.hubs}
    if any(handler.handler for hub in hubs.values() for handler in hub.handlers):
        _import_from_here()
    for name, hub in hubs.items():
        try:
            handler_specs(name, hub, Live(settings))
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
    if settings.tls_cert is not None:
        _try_certificate(settings.tls_cert, settings.tls_key)
    return settings


def _import_from_here() -> None:
    """Let handler classes be modules of the working directory, as Python itself does.

    A console script has its own folder in that place.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _try_certificate(cert: str, key: str | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"tls_cert {cert} and tls_key {key}: expected a PEM certificate chain and "
            f"its private key, without a passphrase ({error.strerror or error})"
        ) from error


def summarize(settings: Settings) -> Iterator[Table]:
    """Give the tables of a summary; what differs from the defaults is bold."""
    top = _table("setting", "value")
    for key in Settings.__struct_fields__:
        if key not in _APART:
            _row(top, key, getattr(settings, key), _DEFAULTS.get(key))
    top.add_row("access keys", _keys(settings))
    for key in Limits.__struct_fields__:
        value = getattr(settings.limits, key)
        _row(top, f"limits.{key}", value, getattr(Limits(), key))
    yield top
    hubs = _table("hub", "anonymous", "origins", "event handlers")
    for hub, hub_settings in settings.hubs.items():
        _hub_row(hubs, hub, hub_settings)
    if settings.open_hubs:
        _hub_row(hubs, "(any other)", settings.default)
    yield hubs


_DEFAULTS = dict(
    zip(
        reversed(Settings.__struct_fields__),
        reversed(Settings.__struct_defaults__),
        strict=False,
    )
)


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, key: str, value: object, default: object) -> None:
    style = None if value == default else "bold"
    table.add_row(key, _shown(value), style=style)


def _hub_row(table: Table, name: str, hub: HubSettings) -> None:
    table.add_row(
        name,
        _shown(hub.anonymous),
        _shown(hub.origins),
        "\n".join(map(_handler, hub.handlers)) or "none",
    )


def _handler(handler: HandlerSettings) -> str:
    """Name a handler and its events; the query of a URL may be a secret."""
    target, question, _ = (handler.url or handler.handler or "").partition("?")
    events = [*handler.system_events, *handler.presence_events]
    if handler.user_events:
        events.insert(0, handler.user_events)
    return f"{target}{question and '?...'} ({', '.join(events)})"


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None | ():
            return "-"
        case tuple():
            return ", ".join(map(str, value))
    return str(value)


def _keys(settings: Settings) -> str:
    if uses_development_key(settings):
        return "the development key, for this machine only"
    return "primary" if settings.keys.secondary is None else "primary and secondary"
