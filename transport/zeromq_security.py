"""Keys of a ZeroMQ wire, and the check of who may connect (CURVE and ZAP).

All gateways of a service have the same two key pairs, one for who listens and one for
who dials, derived from their secret. Who has only seen a public key has none of them.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, NamedTuple

import zmq
from zmq.utils import z85

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from hubbub.transport.cluster_secret import ClusterSecret

_ZAP: Final = "inproc://zeromq.zap.01"
"""Where the library asks, in its own context."""
_DOMAIN: Final = b"hubbub"
_VERSION: Final = b"1.0"
_REQUEST_SIZE: Final = 7


class Pair(NamedTuple):
    """A Curve25519 key pair as the library wants it, in Z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


class Keys:
    """What a wire shows, and what it wants to see."""

    __slots__ = ("_dialing", "_listening")

    def __init__(self, secret: ClusterSecret) -> None:
        self._listening = _pair(secret.derive("hubbub listens"))
        self._dialing = _pair(secret.derive("hubbub dials"))

    def listen(self, socket: zmq.Socket[bytes]) -> None:
        """Let a socket, which is yet to listen, take those only who have the secret."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self._listening
        socket.zap_domain = _DOMAIN

    def dial(self, socket: zmq.Socket[bytes]) -> None:
        """Let a socket, which is yet to dial, reach those only who have the secret."""
        socket.curve_publickey, socket.curve_secretkey = self._dialing
        socket.curve_serverkey = self._listening.public

    def admits(self, mechanism: bytes, key: bytes) -> bool:
        """Tell whether somebody who connects is one of us."""
        return mechanism == b"CURVE" and hmac.compare_digest(
            key, z85.decode(self._dialing.public)
        )


class Gatekeeper:
    """Answers the library's question whether a key may come in (ZAP, RFC 27).

    Must be there before anybody listens: without it the library takes every key.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        keys: Keys,
    ) -> None:
        self._loop = loop
        self._keys = keys
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(_ZAP)
        loop.add_reader(self._socket.FD, self._answer)

    def close(self) -> None:
        """Answer no more."""
        self._loop.remove_reader(self._socket.FD)
        self._socket.close()

    def _answer(self) -> None:
        """Answer all that was asked: the descriptor tells of the first alone."""
        while True:
            try:
                request = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send_multipart(self._judge(request))

    def _judge(self, request: list[bytes]) -> list[bytes]:
        admitted = (
            len(request) == _REQUEST_SIZE
            and request[0] == _VERSION
            and request[2] == _DOMAIN
            and self._keys.admits(request[5], request[6])
        )
        status, text = (b"200", b"OK") if admitted else (b"400", b"another secret")
        number = request[1] if len(request) > 1 else b""
        return [_VERSION, number, status, text, b"gateway" if admitted else b"", b""]


def _pair(secret: bytes) -> Pair:
    text = z85.encode(secret)
    return Pair(zmq.curve_public(text), text)
