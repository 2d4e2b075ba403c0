"""The environment variables ``HUBBUB_*``, read into top-level settings."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.config_mesh import secret_file
from hubbub.transport.config_tables import GATEWAY
from hubbub.transport.config_values import MisfitError, boolean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_PREFIX = "HUBBUB_"
_WORDS = {"true": True, "yes": True, "on": True, "1": True}
_WORDS |= {"false": False, "no": False, "off": False, "0": False}


def _word(text: str) -> object:
    return _WORDS.get(text.lower(), text)


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _commas(text: str) -> object:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _text(text: str) -> object:
    return text


ENVIRONMENT: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "HUBBUB_HOST": ("host", _text),
    "HUBBUB_PORT": ("port", _number),
    "HUBBUB_ENDPOINT": ("endpoints", _commas),
    "HUBBUB_ACCESS_KEY": ("access_key", _text),
    "HUBBUB_SECONDARY_KEY": ("secondary_key", _text),
    "HUBBUB_TLS_CERT": ("tls_cert", _text),
    "HUBBUB_TLS_KEY": ("tls_key", _text),
    "HUBBUB_COMPRESSION": ("compression", _word),
    "HUBBUB_KEEP_ALIVE": ("keep_alive", _number),
    "HUBBUB_DRAIN_SECONDS": ("drain_seconds", _number),
    "HUBBUB_LOG_FORMAT": ("log_format", _text),
    "HUBBUB_LOG_LEVEL": ("log_level", _text),
    "HUBBUB_DEMO": ("demo", _word),
    "HUBBUB_OPEN_HUBS": ("open_hubs", _word),
    "HUBBUB_PEERS": ("peers", _commas),
    "HUBBUB_PEER_LISTEN": ("peer_listen", _text),
    "HUBBUB_PEER_ENDPOINT": ("peer_endpoint", _text),
    "HUBBUB_DISCOVER": ("discover", _text),
    "HUBBUB_CLUSTER": ("cluster", _text),
    "HUBBUB_CLUSTER_SECRET": ("cluster_secret", secret_file),
    "HUBBUB_WORKERS": ("workers", _number),
}
"""Variables that stand for a top-level key of the file, and how their text is read.

A text that is not of the kind stays as it is, for the key's reader to refuse.
"""

OTHER_VARIABLES = (
    "HUBBUB_CONFIG",
    "HUBBUB_ALLOW_ANONYMOUS",
    "HUBBUB_CONNECTION_STRING",
    "HUBBUB_HUB",
)
"""The file to read, the policy of all hubs; the last two are for client commands."""

_KUBERNETES = re.compile(
    r"HUBBUB_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)"
)
_KUBERNETES_PORT = re.compile(r"(tcp|udp)://")


def our_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables that are ours; an empty one counts as absent.

    Kubernetes adds variables of its own for services named ``hubbub`` or
    ``hubbub-something``: passed over.

    Raises:
        ConfigurationError: One of them is not known.
    """
    known = (*ENVIRONMENT, *OTHER_VARIABLES)
    ours = {}
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or _of_kubernetes(name, value):
            continue
        if name not in known:
            raise ConfigurationError(
                f"{name}: unknown environment variable{_meant(name, known)}"
            )
        if value:
            ours[name] = value
    return ours


def _of_kubernetes(name: str, value: str) -> bool:
    if _KUBERNETES.fullmatch(name):
        return True
    return name.endswith("_PORT") and _KUBERNETES_PORT.match(value) is not None


def _meant(name: str, known: Iterable[str]) -> str:
    """Suggest a variable; what all have in common does not count."""
    keys = {word.removeprefix(_PREFIX).lower(): word for word in known}
    near = get_close_matches(name.removeprefix(_PREFIX).lower(), keys, n=1)
    if near:
        return f"; did you mean {keys[near[0]]}?"
    return f"; known are {', '.join(keys.values())}"


def from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    """Read the variables that stand for a top-level key."""
    given = {}
    for name, (key, parse) in ENVIRONMENT.items():
        if name in variables:
            try:
                given[key] = GATEWAY[key](parse(variables[name]))
            except MisfitError as error:
                raise ConfigurationError(f"{name}: {error}") from error
    return given


def anonymous_from(variables: Mapping[str, str]) -> bool | None:
    """Read whether every hub lets clients in without a token; None if not said."""
    name = "HUBBUB_ALLOW_ANONYMOUS"
    if name not in variables:
        return None
    try:
        return boolean(_word(variables[name]))
    except MisfitError as error:
        raise ConfigurationError(f"{name}: {error}") from error
