"""The URL of a webhook, with places for hub and event.

Source: the service's event handler reference, URL template.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

_PARAMETER: Final = re.compile(r"\{(hub|event)\}", re.IGNORECASE)


class UrlTemplate(msgspec.Struct, frozen=True):
    """The URL of a webhook, with ``{hub}`` and ``{event}`` in path or query."""

    text: str

    def __post_init__(self) -> None:
        """Check the template.

        Raises:
            ValueError: It is not an absolute http or https URL, or has other braces.
        """
        try:
            parts = urlsplit(self.text)
            parts.port  # noqa: B018 - raises when it is no number
        except ValueError as error:
            raise ValueError(f"the URL cannot be read: {error}") from None
        if parts.scheme == "tunnel":
            raise ValueError("tunnel URLs are not supported")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the URL must be absolute, http or https")
        if {"{", "}"} & set(_PARAMETER.sub("", self.text)) or "{" in parts.netloc:
            raise ValueError("the URL has braces other than {hub} and {event}")
        if not self.text.isascii() or any(map(str.isspace, self.text)):
            raise ValueError("the URL must be percent-encoded ASCII")

    def fill(self, hub: str, event: str) -> str:
        """Give the URL for an event; all but unreserved characters are encoded."""
        values = {"hub": quote(hub, safe=""), "event": quote(event, safe="")}
        return _PARAMETER.sub(lambda found: values[found[1].lower()], self.text)

    @property
    def label(self) -> str:
        """The URL for logs: without query and user, which may be secrets."""
        parts = urlsplit(self.text)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"
