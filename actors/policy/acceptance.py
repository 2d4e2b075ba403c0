"""Who may be a peer of a gateway. Pure; the reasons are for people."""

from __future__ import annotations

from hubbub.actors.messages import peers


def fault(
    greeting: peers.Knock | peers.Hello, cluster: str, gateway: str
) -> str | None:
    """Say why somebody cannot be a peer, to both sides.

    Args:
        greeting: What it says of itself.
        cluster: The name of our cluster.
        gateway: Our id.
    """
    if greeting.version != peers.VERSION:
        return (
            f"it speaks version {greeting.version} of the peering protocol, and the "
            f"other side version {peers.VERSION}: run the same release"
        )
    if greeting.cluster != cluster:
        return f"it belongs to cluster {greeting.cluster!r}, not to {cluster!r}"
    if greeting.gateway == gateway:
        return "another gateway has the same id: start it again"
    if len(greeting.gateway) != len(gateway):
        return "its id has another length: run the same release"
    return None
