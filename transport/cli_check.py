"""What ``hubbub check`` shows: settings as tables, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from hubbub.transport.configuration import uses_development_key
from hubbub.transport.settings import Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.transport.settings import HandlerSettings, HubSettings

_APART = frozenset({"keys", "limits", "default", "hubs"})


def summarize(settings: Settings, name: str) -> Iterator[Table]:
    """Give the tables of a summary; what differs from the defaults is bold."""
    top = _table(f"{name} is fine", "setting", "value")
    for key in Settings.__struct_fields__:
        if key not in _APART:
            _row(top, key, getattr(settings, key), _DEFAULTS.get(key))
    top.add_row("access keys", _keys(settings))
    for key in Limits.__struct_fields__:
        value = getattr(settings.limits, key)
        _row(top, f"limits.{key}", value, getattr(Limits(), key))
    yield top
    hubs = _table("hubs", "hub", "anonymous", "origins", "event handlers")
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


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
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
