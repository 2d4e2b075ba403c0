"""One attached server, from the end of its handshake to the end of its socket.

Its requests become commands, its declarations go to the upstream, and events come to
it as to any handler. Knows no bytes: another wire can bring the same messages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.messages import commands, events, internal, pushes, requests, servers
from hubbub.actors.messages.servers import ErrorName, ServerRole
from hubbub.actors.policy.routes import failure
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.server_answers import addressed
from hubbub.actors.upstream_mail import Declare, Retire

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Outlet, Socket

logger = logging.getLogger(__name__)


class Leaving(msgspec.Struct, frozen=True):
    """Close the socket: the gateway is about to end, a message of the hub."""


ToServer: TypeAlias = (
    servers.ServerRequest | events.Delivery | events.Withdrawn | Leaving
)


class Server(LoopActor):
    """A process of the application that is attached to a hub.

    Args:
        server_id: Tells servers apart in the hub.
        admit: The handshake, as the hub got it.
        hub: Takes commands, what this server wants to hear, and which events.
    """

    def __init__(
        self,
        server_id: str,
        admit: internal.AdmitServer,
        hub: Ref[internal.ToHubActor | Declare | Retire],
    ) -> None:
        super().__init__()
        self._id = server_id
        self._admit = admit
        self._hub = hub
        self._socket: Socket | None = None
        self._events: dict[int, events.Delivery] = {}
        self._last = 0

    def on_start(self) -> None:
        """Finish the handshake."""
        admit = self._admit
        admit.door.attach(self.address, f"{admit.hub}/{self._id}")
        socket = admit.door.accept(None)
        if isinstance(socket, events.Reject):
            admit.door.reject(socket.status, socket.reason)
            self.stop()
            return
        self._socket = socket
        logger.info("server %s attached to hub %s", self._id, admit.hub)
        self._push(servers.Welcome(self._id, admit.hub, admit.roles))

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Server {self._id[-6:]}"

    def on_receive(self, message: ToServer) -> None:
        """Carry out a request, or hand over an event."""
        match message:
            case _ if self._socket is None:
                pass  # what was on its way when the session ended
            case events.Delivery():
                self._last = number = self._last + 1
                self._events[number] = message
                self._push(servers.Event(number, message.event, message.attempt))
            case servers.Answer(number=number, outcome=outcome):
                self._answer(number, outcome)
            case servers.Order():
                self._order(message)
            case servers.Listen(group=group, request_id=request_id):
                self._tune(group, request_id, on=True)
            case servers.Unlisten(group=group, request_id=request_id):
                self._tune(group, request_id, on=False)
            case servers.Handle():
                self._handle(message)
            case servers.Watch(request_id=request_id):
                if self._may(ServerRole.MANAGER, request_id):
                    receipt, outlet = self._receipt(request_id), self._outlet
                    seen = internal.Observe(self._id, outlet, message, receipt)
                    self._hub.post(seen)
            case servers.Retire(request_id=request_id):
                self._hub.post(Retire(self.address, self._receipt(request_id)))
            case events.Withdrawn():
                self._withdraw(message)
            case servers.Unclear():
                self._unclear(message)
            case requests.Ping():
                self._push(pushes.Pong())
            case requests.Broken(code=code, reason=reason):
                self._close(code, reason)
            case requests.SocketClosed():
                self._socket = None
                self.stop()
            case Leaving():
                self._push(servers.Draining())
                self._close(1001, "the gateway is shutting down")
            case _:
                assert_never(message)

    # Events.

    def _answer(self, number: int, outcome: events.Outcome | None) -> None:
        delivery = self._events.pop(number, None)
        if delivery is None:
            return  # withdrawn meanwhile, or never given
        event = delivery.event
        delivery.reply_to.post(
            events.Answered(event.client.connection_id, event.event_id, outcome)
        )

    def _withdraw(self, withdrawn: events.Withdrawn) -> None:
        for number, delivery in self._events.items():
            event = delivery.event
            if (event.client.connection_id, event.event_id) == (
                withdrawn.connection_id,
                withdrawn.event_id,
            ):
                del self._events[number]
                self._push(servers.Cancelled(number))
                return

    def _handle(self, handle: servers.Handle) -> None:
        if not self._may(ServerRole.SUBSCRIBER, handle.request_id):
            return
        missing = servers.Refused(
            handle.request_id, ErrorName.CONFLICT, "This hub knows too many rules."
        )
        receipt = self._receipt(handle.request_id, missing)
        rules, window, supersede = handle.rules, handle.window, handle.supersede
        self._hub.post(Declare(self.address, rules, window, receipt, supersede))

    # Requests.

    def _order(self, order: servers.Order) -> None:
        number, command = order.request_id, order.command
        if not self._may(order.role, number):
            return
        if order.no_echo and isinstance(command, commands.Publish):
            exclude = (*command.exclude, self._id)
            command = msgspec.structs.replace(command, exclude=exclude)
        self._hub.post(addressed(command, self._outlet, number))

    def _tune(self, group: str | None, request_id: int | None, *, on: bool) -> None:
        if self._may(ServerRole.SUBSCRIBER, request_id):
            receipt = self._receipt(request_id)
            self._hub.post(internal.Tune(self._id, self._outlet, group, on, receipt))

    def _may(self, role: ServerRole, request_id: int | None) -> bool:
        """Check the token's roles; a manager may publish as over REST."""
        roles = self._admit.roles
        if role in roles or (
            role is ServerRole.PUBLISHER and ServerRole.MANAGER in roles
        ):
            return True
        text = f"This takes the role {role}."
        self._push(servers.Refused(request_id, ErrorName.FORBIDDEN, text))
        return False

    def _unclear(self, unclear: servers.Unclear) -> None:
        """Refuse what cannot be read; the event it was to answer fails at once."""
        refused = servers.Refused(
            unclear.request_id, ErrorName.BAD_REQUEST, unclear.message
        )
        self._push(refused)
        delivery = self._events.get(-1 if unclear.number is None else unclear.number)
        if delivery is not None and unclear.number is not None:
            outcome = failure(delivery.event, "The event handler failed.")
            self._answer(unclear.number, outcome)

    # The end.

    def _close(self, code: int, reason: str) -> None:
        if self._socket is not None:
            self._socket.close(code, reason)
            self._socket = None
        self.stop()

    def on_stop(self) -> None:
        """Close the socket if the hub ends us, because it restarts."""
        logger.info("server %s left hub %s", self._id, self._admit.hub)
        if self._socket is not None:
            self._socket.close(1012, "the hub restarts")

    def on_broken(self) -> None:
        """Close the socket of a server whose bookkeeping broke."""
        if self._socket is not None:
            self._socket.close(1011, "the gateway failed")

    # Small things.

    @property
    def _outlet(self) -> Outlet:
        if self._socket is None:
            raise AssertionError("served outside the session")
        return self._socket.outlet

    def _push(self, push: servers.ServerPush) -> None:
        if self._socket is not None:
            self._socket.outlet.post(push)

    def _receipt(
        self, request_id: int | None, missing: servers.Refused | None = None
    ) -> commands.Receipt | None:
        if request_id is None:
            return None
        result = servers.Result(request_id)
        return commands.Receipt(self._outlet, result, missing)
