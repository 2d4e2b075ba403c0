"""The secret that the gateways of a service share: makes it, reads it, derives keys.

Only who has it can reach a gateway from another machine. Knows no sockets.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import shlex
import stat
from pathlib import Path
from typing import Final

PREFIX: Final = "hubbub-cluster-secret-1:"
"""Begins a secret; another number would mean another way to derive keys."""

_BYTES: Final = 32
_FORM: Final = re.compile(re.escape(PREFIX) + r"([A-Za-z0-9_-]{43})")
_LONGEST_FILE: Final = 4096


class ClusterSecretError(ValueError):
    """A text or a file that is no secret, or not kept as one; never quotes it."""


class ClusterSecret:
    """A secret of 256 bits; neither a log nor a traceback shows it."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _BYTES:
            raise ClusterSecretError(f"a cluster secret has {_BYTES} bytes")
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """Give the 32 bytes that stand for a purpose, which has up to 16 letters."""
        return hashlib.blake2b(
            key=self._key, person=purpose.encode(), digest_size=_BYTES
        ).digest()

    def __repr__(self) -> str:
        return "ClusterSecret(...)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not copied by chance")


def new_secret() -> str:
    """Make the text of a secret."""
    text = base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).decode()
    return PREFIX + text.rstrip("=")


def parse_secret(text: str) -> ClusterSecret:
    """Read the text of a secret; white space around it does not count.

    Raises:
        ClusterSecretError: It is none.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ClusterSecretError(
            f"this is no cluster secret: it is one line that begins with {PREFIX}; "
            "`hubbub secret FILE` makes one"
        )
    try:
        key = base64.b64decode(found[1] + "=", altchars=b"-_", validate=True)
    except binascii.Error:
        raise ClusterSecretError("this cluster secret is damaged") from None
    return ClusterSecret(key)


def read_secret_text(path: str | Path) -> str:
    """Read a secret's file, if others cannot.

    As ssh does with its keys, a file of our own that others may read is refused. One
    that belongs to somebody else, as where a container gets it mounted, is theirs to
    guard.

    Raises:
        ClusterSecretError: It cannot be read, or others can read it.
    """
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_LONGEST_FILE)
    except OSError as error:
        raise ClusterSecretError(
            f"cannot read {path} ({error.strerror}); `hubbub secret` makes such a file"
        ) from error
    others = stat.S_IMODE(status.st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    if status.st_uid == os.geteuid() and others and stat.S_ISREG(status.st_mode):
        raise ClusterSecretError(
            f"other users of this machine can use {path}, which is a secret: "
            f"chmod 600 {shlex.quote(str(path))}"
        )
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise ClusterSecretError(f"{path} is no cluster secret") from None


def read_secret(path: str | Path) -> ClusterSecret:
    """Read a secret from its file.

    Raises:
        ClusterSecretError: It cannot be read, others can read it, or it is none.
    """
    text = read_secret_text(path)
    try:
        return parse_secret(text)
    except ClusterSecretError as error:
        raise ClusterSecretError(f"{path}: {error}") from None


def write_secret(path: str | Path, text: str) -> None:
    """Write a new file that only its owner may read; one that is there stays.

    Raises:
        OSError: It cannot be written, or is there already.
    """
    place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(place, "w", encoding="ascii") as file:
        os.fchmod(place, 0o600)  # whatever the mask of the process says
        file.write(f"{text}\n")
        file.flush()
        os.fsync(place)
