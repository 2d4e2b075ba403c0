"""Tells whether an event comes from someone who knows an access key.

Pure. Knows the ``ce-signature`` header (event handler reference, ce-signature): an HMAC
of the connection id with each key of the service, and nothing else of the request.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from hubbub.transport.wire.cloudevents import signature
from hubbub.transport.wire.connection_string import parse_connection_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ENTRIES: Final = 16
"""Most entries of a header that are looked at; the service sends one for each key."""


class Signatures:
    """Compares signatures with those that the access keys make.

    Args:
        keys: Access keys as they stand in connection strings; any of them suffices.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(keys)

    def match(self, connection_id: str, header: str) -> bool:
        """Tell whether an entry of a ``ce-signature`` was made with one of the keys."""
        entries = [entry.strip().lower().encode() for entry in header.split(",")]
        mine = [signature(connection_id, (key,)).encode() for key in self._keys]
        # A list: all pairs are compared, so that time does not tell which one fits.
        return len(entries) <= _ENTRIES and any(
            [hmac.compare_digest(entry, one) for entry in entries for one in mine]  # noqa: C419 - see above
        )


def signatures(
    connection_string: str | None, access_keys: Sequence[str], *, verify: bool
) -> Signatures | None:
    """Choose what to check signatures with; None when they are not to be checked.

    Raises:
        ValueError: There is no key, and nobody said that none is wanted; or a key or
            the connection string is not one.
    """
    if not verify:
        return None
    if isinstance(access_keys, str):
        raise ValueError("access_keys is a list of keys, not one text")  # noqa: TRY004 - one kind of error for all arguments
    keys = list(access_keys)
    if connection_string is not None:
        keys.append(parse_connection_string(connection_string).access_key)
    if not all(keys):
        raise ValueError("an access key is empty")
    if not keys:
        raise ValueError(
            "give connection_string or access_keys, or verify=False to trust everyone"
        )
    return Signatures(keys)
