"""The in-process handlers of the event benchmark: they answer with what they got."""

from __future__ import annotations

from hubbub.actors import AsyncEventHandler, EventHandler, Respond, events


class Loop(AsyncEventHandler):
    """Answers on the gateway's loop."""

    def on_event(self, event: events.UserEvent) -> Respond:
        """Answer with the payload."""
        return Respond(event.payload)


class Thread(EventHandler):
    """Answers in a thread of the gateway."""

    def on_event(self, event: events.UserEvent) -> Respond:
        """Answer with the payload."""
        return Respond(event.payload)
