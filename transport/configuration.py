"""Builds settings: defaults < ``hubbub.toml`` < environment ``HUBBUB_*`` < flags.

Every error names its file and line, its variable or its flag, and what was expected.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hubbub.transport.config_environment import (
    anonymous_from,
    from_environment,
    our_variables,
)
from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.config_flags import Flags, from_flags, hubs_from
from hubbub.transport.config_mesh_rules import check_mesh, is_loopback
from hubbub.transport.config_tables import FileSettings, read_file
from hubbub.transport.settings import HubSettings, Limits, Settings
from hubbub.transport.wire.tokens import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEVELOPMENT_KEY",
    "ConfigurationError",
    "Flags",
    "config_path",
    "is_loopback",
    "load",
    "uses_development_key",
]

DEVELOPMENT_KEY = "hubbub-development-key-for-this-machine-only"
"""The key of a gateway that was given none. It is public: loopback addresses only."""

CONFIG_FILE = "hubbub.toml"
"""Read from the working directory when no file is named."""

NO_FILE = FileSettings({}, Limits(), HubSettings(), {})


def load(
    flags: Flags | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Build the settings that flags, environment and file add up to.

    Args:
        flags: What stands on the command line.
        environ: The environment; that of the process when left out.

    Raises:
        ConfigurationError: They cannot be used; the text has a line for each problem.
    """
    flags = Flags() if flags is None else flags
    environ = os.environ if environ is None else environ
    variables = our_variables(environ)
    path = config_path(flags, variables)
    file = NO_FILE if path is None else read_file(path, environ)
    gateway = file.gateway | from_environment(variables) | from_flags(flags)
    keys = _keyring(gateway)
    gateway.setdefault("demo", keys.primary == DEVELOPMENT_KEY)
    anonymous = flags.allow_anonymous
    if anonymous is None:
        anonymous = anonymous_from(variables)
    default, hubs = hubs_from(flags, file.default, file.hubs, anonymous=anonymous)
    settings = Settings(
        keys=keys, limits=file.limits, default=default, hubs=hubs, **gateway
    )
    _check_whole(settings)
    return settings


def config_path(flags: Flags, environ: Mapping[str, str]) -> Path | None:
    """Tell which file is read: the named one, or ``hubbub.toml`` if there is one."""
    named = flags.config or environ.get("HUBBUB_CONFIG")
    if named:
        return Path(named)
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).is_file() else None


def uses_development_key(settings: Settings) -> bool:
    """Tell whether the public key of this package opens the gateway."""
    return DEVELOPMENT_KEY in {settings.keys.primary, settings.keys.secondary}


def _keyring(gateway: dict[str, Any]) -> Keyring:
    """Take the keys out of the top-level settings; without any, the development key."""
    primary = gateway.pop("access_key", None)
    secondary = gateway.pop("secondary_key", None)
    if primary is None and secondary is not None:
        raise ConfigurationError(
            "secondary_key is set, but access_key is not: give both, or the first alone"
        )
    return Keyring(primary or DEVELOPMENT_KEY, secondary)


def _check_whole(settings: Settings) -> None:
    """Check what no key can tell alone."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        there, missing = ("tls_cert", "tls_key")
        if settings.tls_cert is None:
            there, missing = missing, there
        raise ConfigurationError(
            f"{there} is set, but {missing} is not: TLS needs both"
        )
    if not settings.open_hubs and not settings.hubs:
        raise ConfigurationError(
            "open_hubs is false and no hub is named, so nobody could connect: "
            "add [hubs.NAME] or --hub NAME"
        )
    if uses_development_key(settings):
        _check_loopback(settings)
    check_mesh(settings)


def _check_loopback(settings: Settings) -> None:
    """Keep a gateway that anybody has the key of away from other machines."""
    hosts = [
        settings.host,
        *(urlsplit(url).hostname or "" for url in settings.endpoints),
    ]
    for host in hosts:
        if not is_loopback(host):
            raise ConfigurationError(
                f"{host} can be reached from other machines, and everybody knows the "
                "development key: set an access key of your own (HUBBUB_ACCESS_KEY, "
                "access_key in hubbub.toml or --access-key; "
                "`openssl rand -base64 48` makes one), or stay on 127.0.0.1"
            )
