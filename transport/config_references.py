"""Where values of a configuration file lead: to files beside it and to variables."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hubbub.transport.config_mesh import secret_file
from hubbub.transport.config_values import MisfitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEYS = frozenset({"access_key", "secondary_key"})
_PATHS = frozenset({"tls_cert", "tls_key", "ca_file"})
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class References:
    """Follows what stands for something else.

    Args:
        folder: That of the configuration file.
        environ: The environment.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def follow(self, key: str, value: object) -> object:
        """Give what a key's value leads to; most stand for themselves.

        Raises:
            MisfitError: It leads nowhere.
        """
        match value:
            case dict() as reference if key in _KEYS:
                return self._key(reference)
            case {"env": str(name), **rest} if key == "cluster_secret" and not rest:
                return self._variable(name)
            case str(name) | {"file": str(name)} if key == "cluster_secret":
                return secret_file(self._folder / name)
            case str() if key in _PATHS:
                return os.fspath(self._folder / value)
            case str() if key == "url":
                return _VARIABLE.sub(lambda found: self._variable(found[1]), value)
        return value

    def _key(self, reference: dict[str, object]) -> str:
        match reference:
            case {"env": str(name), **rest} if not rest:
                return self._variable(name)
            case {"file": str(name), **rest} if not rest:
                path = self._folder / name
                try:
                    return path.read_text(encoding="utf-8").rstrip("\r\n")
                except (OSError, UnicodeDecodeError) as error:
                    raise MisfitError(f"cannot read {path} as text") from error
        raise MisfitError('expected a text, { env = "NAME" } or { file = "path" }')

    def _variable(self, name: str) -> str:
        if name not in self._environ:
            raise MisfitError(f"the environment variable {name} is not set")
        return self._environ[name]
