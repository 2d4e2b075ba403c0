"""Turns the settings of event handlers into specs that an upstream can start.

Whatever is wrong is said here, when settings are loaded, and names the handler.
"""

from __future__ import annotations

import importlib
import ssl
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from hubbub.actors.authored import Build
from hubbub.actors.handler import AsyncEventHandler, EventHandler, HandlerSpec
from hubbub.actors.policy.patterns import PatternError
from hubbub.actors.policy.routes import Route
from hubbub.transport.settings import (
    INTERCEPTIONS,
    PRESENCE_EVENTS,
    SYSTEM_EVENTS,
    HandlerSettings,
    Live,
)
from hubbub.transport.wire.url_template import UrlTemplate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.transport.settings import HubSettings, Settings
    from hubbub.transport.webhook import WebhookHandler

T = TypeVar("T")

RETRY_DELAYS: Final = (1.0, 3.0, 5.0)
"""Seconds before the retries of a webhook (event handlers, retries)."""

GRACE: Final = 1.0
"""Seconds the upstream waits beyond a webhook's own deadline, which says more."""


class Webhook(msgspec.Struct, frozen=True):
    """What a webhook is built from; calling it builds the handler, within a spawn."""

    template: UrlTemplate
    settings: HandlerSettings
    origin: str
    live: Live
    delays: tuple[float, ...] = RETRY_DELAYS

    def __call__(self) -> WebhookHandler:
        """Build the handler."""
        # Its HTTP client takes a third of the gateway's start: only where it is used.
        from hubbub.transport.webhook import WebhookHandler  # noqa: PLC0415

        return WebhookHandler(self)

    def tls(self) -> ssl.SSLContext | None:
        """Trust one more authority, where the settings name it.

        Raises:
            OSError: The file cannot be read, or holds no certificate.
        """
        if self.settings.ca_file is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(self.settings.ca_file)
        return context


def handler_specs(
    hub: str, settings: HubSettings, live: Live
) -> tuple[HandlerSpec, ...]:
    """Make the specs of a hub's handlers, in order.

    Args:
        hub: The hub's name, for error messages.
        settings: Its settings.
        live: Where webhooks find the keys in force at each event.

    Raises:
        ValueError: A handler cannot work as it is set; the text says which and why.
    """
    return tuple(
        _named(f"handler {number} of hub {hub}", handler, live)
        for number, handler in enumerate(settings.handlers, 1)
    )


def origin_of(settings: Settings) -> str:
    """Give the ``WebHook-Request-Origin``: the host applications know us by.

    The bare host in lower case, which is what .NET compares with (origin value).
    """
    if not settings.endpoints:
        return settings.host.lower()
    return urlsplit(settings.endpoints[0]).hostname or settings.host.lower()


def load_class(path: str, *bases: type[T]) -> type[T]:
    """Import a class by ``module:Class``.

    Args:
        path: Where it is.
        bases: It is a subclass of one of these.

    Raises:
        ValueError: There is no such class.
    """
    module_name, colon, class_name = path.partition(":")
    if not (module_name and colon and class_name):
        raise ValueError(f"{path!r} is not of the form module:Class")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(f"cannot import {module_name}: {kind}: {error}") from error
    for name in class_name.split("."):
        found = getattr(found, name, None)
    if found is None:
        raise ValueError(f"module {module_name} has no class {class_name}")
    if not isinstance(found, type) or not issubclass(found, bases):
        problem = f"{path} is not a subclass of {bases[0].__name__}"
        raise ValueError(problem)  # noqa: TRY004 - the setting is wrong, not a call
    return found


def _named(where: str, settings: HandlerSettings, live: Live) -> HandlerSpec:
    try:
        return _spec(settings, live)
    except (ValueError, OSError) as error:
        raise ValueError(f"{where}: {error}") from error


def _spec(settings: HandlerSettings, live: Live) -> HandlerSpec:
    _check_numbers(settings)
    route = _route(settings)
    match settings.handler, settings.url:
        case str(path), None:
            return HandlerSpec(
                name=path,
                factory=Build(load_class(path, EventHandler, AsyncEventHandler)),
                route=route,
                timeout=settings.timeout,
                workers=settings.workers,
            )
        case None, str(url):
            webhook = Webhook(
                UrlTemplate(url), settings, origin_of(live.settings), live
            )
            _check_authority(webhook)
            return HandlerSpec(
                name=f"webhook {webhook.template.label}",
                factory=Build(webhook),
                route=route,
                timeout=settings.timeout + GRACE,
            )
        case _:
            raise ValueError("it needs either url or handler")


def _route(settings: HandlerSettings) -> Route:
    try:
        return Route(
            user_events=settings.user_events,
            system_events=_chosen("system", settings.system_events, SYSTEM_EVENTS),
            presence_events=_chosen(
                "presence", settings.presence_events, PRESENCE_EVENTS
            ),
            presence_groups=settings.presence_groups,
            interceptions=_chosen(
                "interception", settings.interceptions, INTERCEPTIONS
            ),
        )
    except PatternError as error:
        raise ValueError(f"a pattern cannot be read: {error}") from error


def _chosen(kind: str, names: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """Names of events compare case-insensitively (settings, shape)."""
    chosen = frozenset(name.lower() for name in names)
    strangers = sorted(chosen - frozenset(known))
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no {kind} event ({', '.join(known)})")
    return chosen


def _check_numbers(settings: HandlerSettings) -> None:
    most = len(RETRY_DELAYS)
    if not settings.timeout > 0:
        raise ValueError("timeout must be above 0")
    if not 0 <= settings.retries <= most:
        raise ValueError(f"retries must be from 0 to {most}")
    if settings.concurrency < 1 or settings.workers < 1:
        raise ValueError("concurrency and workers must be at least 1")
    if settings.queue < 0:
        raise ValueError("queue must not be negative")


def _check_authority(webhook: Webhook) -> None:
    try:
        webhook.tls()
    except (OSError, ssl.SSLError) as error:
        path = webhook.settings.ca_file
        raise ValueError(f"cannot use the ca_file {path}: {error.strerror}") from error
