"""The tables of a configuration file: which keys they have, and how they are read.

A pass over a file collects every problem instead of stopping at the first.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.transport import config_mesh as mesh
from hubbub.transport import config_values as values
from hubbub.transport.config_file import ConfigFile, ConfigurationError, KeyPath, spell
from hubbub.transport.config_references import References
from hubbub.transport.settings import (
    INTERCEPTIONS,
    PRESENCE_EVENTS,
    SYSTEM_EVENTS,
    HandlerSettings,
    HubSettings,
    Limits,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from hubbub.transport.config_values import Reader

LONGEST_KEEP_ALIVE = 3600
_DAY = 86_400

GATEWAY: Mapping[str, Reader] = {
    "host": values.host,
    "port": values.integer(0, 65_535),
    "endpoints": values.listed(values.endpoint),
    "access_key": values.access_key,
    "secondary_key": values.access_key,
    "tls_cert": values.readable_file,
    "tls_key": values.readable_file,
    "compression": values.boolean,
    "keep_alive": values.seconds(LONGEST_KEEP_ALIVE),
    "drain_seconds": values.seconds(_DAY),
    "log_format": values.choice("text", "json"),
    "log_level": values.choice("debug", "info", "warning", "error"),
    "demo": values.boolean,
    "open_hubs": values.boolean,
    "peers": values.listed(mesh.peer),
    "peer_listen": mesh.listening,
    "peer_endpoint": mesh.own_endpoint,
    "discover": mesh.discovery,
    "cluster": mesh.cluster,
    "cluster_secret": mesh.secret,
    "workers": mesh.workers,
}
"""Top-level keys."""

LIMITS: Mapping[str, Reader] = {
    field.name: values.integer(1, 1 << 40)
    if field.type is int
    else values.seconds(_DAY)
    for field in msgspec.structs.fields(Limits)
}
"""Keys of ``[limits]``: whole numbers and times."""

HUB: Mapping[str, Reader] = {
    "anonymous": values.boolean,
    "origins": values.listed(values.origin),
    "keep_alive": values.seconds(LONGEST_KEEP_ALIVE),
    "servers_first": values.boolean,
    "servers_required": values.boolean,
    "server_timeout": values.seconds(_DAY),
    "server_grace": values.seconds(_DAY),
    "groups": values.group_classes,
    "actors": values.listed(values.handler_class),
}
"""Keys of ``[default]`` and ``[hubs.NAME]``, beside their handlers."""

WEBHOOK_ONLY: Mapping[str, Reader] = {
    "retries": values.integer(0, 3),
    "concurrency": values.integer(1, 10_000),
    "queue": values.integer(0, 1_000_000),
    "validate": values.boolean,
    "ca_file": values.readable_file,
}
CLASS_ONLY: Mapping[str, Reader] = {
    "workers": values.integer(1, 256),
    "interceptions": values.listed(values.choice(*INTERCEPTIONS)),
}

HANDLER: Mapping[str, Reader] = {
    "url": values.url_template,
    "handler": values.handler_class,
    "user_events": values.event_pattern,
    "system_events": values.listed(values.choice(*SYSTEM_EVENTS)),
    "presence_events": values.listed(values.choice(*PRESENCE_EVENTS)),
    "presence_groups": values.listed(values.group_pattern),
    "timeout": values.seconds(_DAY),
    **WEBHOOK_ONLY,
    **CLASS_ONLY,
}
"""Keys of ``[[hubs.NAME.handlers]]`` and ``[[default.handlers]]``."""

_NESTED = ("limits", "default", "hubs")


class FileSettings(msgspec.Struct, frozen=True):
    """What a file says; ``gateway`` holds only the keys it has."""

    gateway: dict[str, Any]
    limits: Limits
    default: HubSettings
    hubs: dict[str, HubSettings]


def nearest(word: str, known: Collection[str]) -> str:
    """Suggest the known word that resembles a mistyped one, for the end of a text."""
    near = get_close_matches(word.lower().replace("-", "_"), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def read_file(path: Path, environ: Mapping[str, str]) -> FileSettings:
    """Read a configuration file.

    Args:
        path: The file; paths inside it are relative to its folder.
        environ: Where its references to the environment lead.

    Raises:
        ConfigurationError: One line for each problem of the file.
    """
    walk = _Walk(ConfigFile(path), environ)
    settings = walk.everything()
    if walk.problems:
        raise ConfigurationError("\n".join(walk.problems))
    return settings


class _Walk:
    """One pass over a file."""

    def __init__(self, file: ConfigFile, environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._file = file
        self._references = References(file.path.parent, environ)

    def everything(self) -> FileSettings:
        document = self._file.document
        gateway = self._table((), document, GATEWAY, nested=_NESTED)
        limits = self._table(("limits",), document.get("limits", {}), LIMITS)
        default = self._hub(("default",), document.get("default", {}), HubSettings())
        hubs: dict[str, HubSettings] = {}
        for name, table in self._hub_tables(document.get("hubs", {})):
            path = ("hubs", name)
            try:
                lower = values.hub_name(name)
            except values.MisfitError as error:
                self._complain(path, str(error))
                continue
            if lower in hubs:
                self._complain(path, "this hub is there already (case is ignored)")
            hubs[lower] = self._hub(path, table, default)
        return FileSettings(gateway, Limits(**limits), default, hubs)

    def _hub_tables(self, tables: object) -> list[tuple[str, object]]:
        if isinstance(tables, dict):
            return list(tables.items())
        self._complain(("hubs",), "expected tables, as [hubs.chat]")
        return []

    def _hub(self, path: KeyPath, table: object, default: HubSettings) -> HubSettings:
        """Read a hub's table; what it does not say is as in ``[default]``."""
        given = self._table(path, table, HUB, nested=("handlers",))
        if isinstance(table, dict) and "handlers" in table:
            given["handlers"] = self._handlers((*path, "handlers"), table["handlers"])
        return msgspec.structs.replace(default, **given)

    def _handlers(self, path: KeyPath, tables: object) -> tuple[HandlerSettings, ...]:
        if not isinstance(tables, list):
            self._complain(path, f"expected tables, as [[{spell(path)}]]")
            return ()
        handlers = []
        for index, table in enumerate(tables):
            before = len(self.problems)
            given = self._table((*path, index), table, HANDLER)
            if len(self.problems) == before:
                self.problems += [
                    f"{self._file.place((*path, index))}: {fault}"
                    for fault in handler_faults(given)
                ]
            handlers.append(HandlerSettings(**given))
        return tuple(handlers)

    def _table(
        self,
        path: KeyPath,
        table: object,
        readers: Mapping[str, Reader],
        nested: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Read the keys of one table, except nested tables."""
        if not isinstance(table, dict):
            self._complain(path, f"expected a table, as [{spell(path)}]")
            return {}
        given = {}
        for key, value in table.items():
            if key in readers:
                try:
                    given[key] = readers[key](self._references.follow(key, value))
                except values.MisfitError as error:
                    self._complain((*path, key), str(error))
            elif key not in nested:
                self._complain((*path, key), _unknown(key, (*readers, *nested)))
        return given

    def _complain(self, path: KeyPath, text: str) -> None:
        self.problems.append(f"{self._file.place(path)}: {text}")


def handler_faults(given: Mapping[str, Any]) -> list[str]:
    """List what is wrong with a handler as a whole."""
    faults = []
    if ("url" in given) == ("handler" in given):
        faults.append("expected exactly one of url (a webhook) and handler (a class)")
    else:
        kind, foreign = (
            ("class", WEBHOOK_ONLY) if "handler" in given else ("webhook", CLASS_ONLY)
        )
        faults += [
            f"{key} has no meaning for a {kind}" for key in given if key in foreign
        ]
    if given.get("presence_groups") and not given.get("presence_events"):
        faults.append("presence_groups needs presence_events = ['joined', 'left']")
    if not any(
        given.get(kind)
        for kind in (
            "user_events",
            "system_events",
            "presence_events",
            "interceptions",
        )
    ):
        faults.append(
            "this handler would get no event; say which, as "
            'user_events = "*" or system_events = ["connect"]'
        )
    return faults


def _unknown(key: str, known: Collection[str]) -> str:
    """Say that a key is not known here, and where it belongs or what was meant."""
    homes = {
        "at the top of the file": GATEWAY,
        "in [limits]": LIMITS,
        "in [default] or [hubs.NAME]": (*HUB, "handlers"),
        "in [[hubs.NAME.handlers]]": HANDLER,
    }
    for home, keys in homes.items():
        if key in keys:
            return f"this key belongs {home}"
    suggestion = nearest(key, known) or f"; known keys are {', '.join(known)}"
    return f"unknown key{suggestion}"
