"""The subprotocols that the client speaks, by name. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hubbub.sdk.client.cbor_v1 import CBOR_RELIABLE_V1, CBOR_V1
from hubbub.sdk.client.json_v1 import JSON_RELIABLE_V1, JSON_V1
from hubbub.sdk.client.protobuf_v1 import PROTOBUF_RELIABLE_V1, PROTOBUF_V1

if TYPE_CHECKING:
    from hubbub.sdk.client.protocols import ClientProtocol

SPOKEN: Final[dict[str, ClientProtocol]] = {
    one.name: one
    for one in (
        JSON_RELIABLE_V1,
        JSON_V1,
        PROTOBUF_RELIABLE_V1,
        PROTOBUF_V1,
        CBOR_RELIABLE_V1,
        CBOR_V1,
    )
}


def protocol_of(choice: ClientProtocol | str) -> ClientProtocol:
    """Give the subprotocol of a name, or the one that is given.

    Raises:
        ValueError: It is not spoken here.
    """
    if not isinstance(choice, str):
        return choice
    try:
        return SPOKEN[choice.lower()]
    except KeyError:
        names = ", ".join(SPOKEN)
        raise ValueError(f"{choice} is not spoken here: choose of {names}") from None
