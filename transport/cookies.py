"""Cookies that a webhook set, by client: a connection has its own, shared with nobody.

Source: the service's event handler reference (the event request). Bounded in clients
and in bytes: cookies come from outside, and a client may never be heard to end.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from yarl import URL

    from hubbub.transport.wire.webhook_answers import Headers

COOKIE_CONNECTIONS: Final = 10_000
"""Clients whose cookies are remembered; beyond it the longest unheard are forgotten."""
COOKIE_LENGTH: Final = 4096
"""Longest ``Cookie`` header; a client whose cookies outgrow it loses them."""


class Cookies:
    """Cookies a webhook set, by client connection: never shared among clients."""

    def __init__(self, connections: int = COOKIE_CONNECTIONS) -> None:
        self._limit = connections
        self._jars: OrderedDict[str, aiohttp.CookieJar] = OrderedDict()

    def header(self, connection_id: str, url: URL) -> Headers:
        """Give the ``Cookie`` header of a request, or none."""
        jar = self._jars.get(connection_id)
        if jar is None:
            return ()
        self._jars.move_to_end(connection_id)
        morsels = jar.filter_cookies(url).values()
        text = "; ".join(f"{one.key}={one.coded_value}" for one in morsels)
        if len(text) > COOKIE_LENGTH or not text.isascii():
            del self._jars[connection_id]
            return ()
        return (("Cookie", text),) if text else ()

    def keep(self, connection_id: str, response: aiohttp.ClientResponse) -> None:
        """Remember what an answer sets."""
        if not response.cookies:
            return
        jar = self._jars.get(connection_id)
        if jar is None:
            # Applications may live at a bare IP address, which "safe" jars refuse.
            jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
            self._jars[connection_id] = jar
        jar.update_cookies(response.cookies, response.url)
        self._jars.move_to_end(connection_id)
        if len(self._jars) > self._limit:
            self._jars.popitem(last=False)

    def forget(self, connection_id: str) -> None:
        """Forget a client that is gone."""
        self._jars.pop(connection_id, None)
