"""Tells which hub, group and event names and which metadata are acceptable.

Knows the rules of the service's client protocol reference (names, metadata); knows
nothing of who asks, or of how a refusal travels.
"""

import re
from collections.abc import Iterable
from typing import Final

HUB: Final = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
EVENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
GROUP_LIMIT: Final = 1024

METADATA_KEY: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
METADATA_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
METADATA_KEY_LIMIT: Final = 256
METADATA_VALUE_LIMIT: Final = 1024
METADATA_LIMIT: Final = 8192

_is_event = EVENT.fullmatch


def hub_name(text: str) -> str | None:
    """Return the hub's name as it is compared, in lower case; None when invalid."""
    return text.lower() if HUB.fullmatch(text) else None


def is_group_name(text: str) -> bool:
    """Tell whether this names a group: 1 to 1024 characters, not all blank."""
    return 0 < len(text) <= GROUP_LIMIT and not text.isspace()


def is_event_name(text: str) -> bool:
    """Tell whether this names a user event."""
    return _is_event(text) is not None


def metadata_fault(pairs: Iterable[tuple[str, str]]) -> str | None:
    """Return what is wrong with a message's metadata, as a sentence; None if nothing.

    Keys compare exactly. Control characters other than a tab are refused although
    they are ASCII: metadata travels to handlers as HTTP headers, which cannot hold
    them.
    """
    seen: set[str] = set()
    total = 0
    for key, value in pairs:
        total += len(key) + len(value)
        fault = _pair_fault(key, value)
        if fault is None and key in seen:
            fault = f"Metadata key '{key}' is given twice."
        if fault is None and total > METADATA_LIMIT:
            fault = f"Metadata is longer than {METADATA_LIMIT} bytes in total."
        if fault is not None:
            return fault
        seen.add(key)
    return None


def _pair_fault(key: str, value: str) -> str | None:
    if not METADATA_KEY.fullmatch(key):
        return "A metadata key must be made of HTTP token characters."
    if len(key) > METADATA_KEY_LIMIT:
        return f"A metadata key is longer than {METADATA_KEY_LIMIT} bytes."
    if not METADATA_VALUE.fullmatch(value):
        return f"The metadata value of '{key}' must be printable ASCII."
    if len(value) > METADATA_VALUE_LIMIT:
        return f"The metadata value of '{key}' exceeds {METADATA_VALUE_LIMIT} bytes."
    return None
