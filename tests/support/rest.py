"""A gateway that records commands and answers them from three connections."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

from hubbub.actors.messages import commands
from hubbub.transport.rest import rest_app
from hubbub.transport.settings import Live, Settings
from hubbub.transport.wire.tokens import Keyring
from support import asgi

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "primary-key-of-at-least-thirty-two-bytes"
SECOND_KEY = "secondary-key-of-at-least-thirty-two-bytes"
HOST = "hubbub.test"
NOW = 1_800_000_000.0

_USERS: dict[str, str | None] = {"c1": "alice", "c2": "O'Brien", "c3": None}
_GROUPS = {"g1": ("c1", "c2"), "g2": ("c2",), "a/b": ("c1",)}


def settings(**changes: Any) -> Settings:
    return msgspec.structs.replace(Settings(keys=Keyring(KEY, SECOND_KEY)), **changes)


def sign(claims: dict[str, Any], key: str = KEY, algorithm: str = "HS256") -> str:
    """Sign by hand, so that tokens may be wrong."""
    header = {"alg": algorithm, "typ": "JWT"}
    parts = [_base64(msgspec.json.encode(part)) for part in (header, claims)]
    text = ".".join(parts)
    signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearer(target: str, host: str = HOST, now: float = NOW) -> tuple[str, str]:
    token = sign({"aud": f"https://{host}{target}", "exp": int(now) + 60})
    return ("Authorization", f"Bearer {token}")


class FakeGateway:
    """Has c1 of alice in g1 and a/b, c2 of O'Brien in g1 and g2, and c3 of nobody."""

    def __init__(self) -> None:
        self.posted: list[commands.ForHub] = []
        self.silent = False
        self.full = False
        self.members = _GROUPS

    @property
    def told(self) -> list[commands.Command]:
        return [message.command for message in self.posted]

    def post(self, message: commands.ForHub, /) -> None:
        self.posted.append(message)
        if not self.silent:
            self._answer(message.command)

    def _answer(self, command: commands.Command) -> None:
        match command:
            case commands.Exists(target=target, answer=answer):
                answer.post(bool(_find(target)))
            case commands.Members(group=group, after=after, limit=limit, answer=answer):
                found = [
                    (c, _USERS[c]) for c in self.members.get(group, ()) if c > after
                ]
                page = commands.MemberPage(tuple(found[:limit]), len(found) > limit)
                answer.post(page)
            case commands.HasPermission(connection_id=who, group=group, answer=answer):
                found_one = who in _USERS
                answer.post(commands.Verdict(found_one, found_one and group == "g1"))
            case (
                commands.Grant(connection_id=who, answer=answer)
                | commands.Revoke(connection_id=who, answer=answer)
            ):
                answer.post(commands.Verdict(who in _USERS, not self.full))
            case _:
                _pay(command)


def _pay(command: Any) -> None:
    receipt = command.receipt
    target = getattr(command, "target", commands.Everyone())
    if receipt.missing is not None and not _find(target):
        receipt.to.post(receipt.missing)
    else:
        receipt.to.post(receipt.message)


def _find(target: commands.Target) -> list[str]:
    match target:
        case commands.ToConnection(connection_id=connection_id):
            return [c for c in _USERS if c == connection_id]
        case commands.ToUser(user_id=user_id):
            return [c for c, user in _USERS.items() if user == user_id]
        case commands.ToGroup(name=name):
            return list(_GROUPS.get(name, ()))
        case commands.Everyone():
            return list(_USERS)


class Rig:
    """An application, the gateway behind it, its settings and its clock."""

    def __init__(self, **changes: Any) -> None:
        self.now = NOW
        self.gateway = FakeGateway()
        self.live = Live(settings(**changes))
        self.app = rest_app(self.gateway, self.live, clock=lambda: self.now)


async def answer(
    app: Any,
    method: str,
    target: str,
    *headers: tuple[str, str],
    body: Any = b"",
    host: str = HOST,
) -> asgi.Response:
    """Call as a caller with a good token, unless it brings its own."""
    own = {name.lower() for name, _ in headers}
    proof = [] if "authorization" in own else [bearer(target, host)]
    every = [("Host", host), *proof, *headers]
    response = await asgi.call(app, method, target, every, body)
    assert response is not None
    return response


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on loopback by uvicorn, as the gateway does."""
    config = uvicorn.Config(
        app, port=0, http="httptools", loop="uvloop", lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
